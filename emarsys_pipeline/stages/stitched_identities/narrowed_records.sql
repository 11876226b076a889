-- Reads reopening_records, changed_records, erased_members, looked_up_members, identity_members, contacts_at_window
-- and platform_records; makes members_around, one row per member, as it was in the window before, of the
-- components that are stitched again and of those of changed or erased records; looked_up_contacts and
-- looked_up_platform_records, the records of all these components and the new ones; and
-- narrowed_emarsys_records and narrowed_platform_records, those that are stitched again.
create temp table reopening_components as
select distinct coalesce(component_id, identity_id) as component_id
from looked_up_members
semi join reopening_records using (source, account, contact_id);

create temp table members_around as
select members.rowid as member_key, members.*
from identity_members as members
where
    coalesce(members.component_id, members.identity_id) in (
        select component_id
        from reopening_components
        union
        select coalesce(looked_up.component_id, looked_up.identity_id)
        from looked_up_members as looked_up
        semi join (
            select source, account, contact_id from changed_records
            union
            select source, account, member_id as contact_id from erased_members
        ) as touched using (source, account, contact_id)
    );

create temp table narrowed_keys as
select source, account, contact_id from reopening_records
union
select source, account, contact_id
from members_around
where coalesce(component_id, identity_id) in (select found.component_id from reopening_components as found);

create temp table looked_up_keys as
select source, account, contact_id from narrowed_keys
union
select source, account, contact_id from members_around;

create temp table looked_up_contacts as
select contacts.*
from contacts_at_window as contacts
semi join (
    select account, contact_id from looked_up_keys where source = 'emarsys'
) as looked_for using (account, contact_id);

create temp table looked_up_platform_records as
select records.*
from platform_records as records
semi join (
    select contact_id from looked_up_keys where source = 'platform'
) as looked_for using (contact_id);

create temp view narrowed_emarsys_records as
select record_key, account, contact_id, first_window_start, phone_numbers, email_addresses
from looked_up_contacts
semi join (
    select account, contact_id from narrowed_keys where source = 'emarsys'
) as narrowed using (account, contact_id);

create temp view narrowed_platform_records as
from looked_up_platform_records
semi join (
    select contact_id from narrowed_keys where source = 'platform'
) as narrowed using (contact_id);
