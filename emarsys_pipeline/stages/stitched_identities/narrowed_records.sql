-- Reads reopening_records, reopening_members, identity_members, emarsys_records and platform_records;
-- makes present_members, one row per member of these components as they were in the window before, and
-- per other member that may matter; and narrowed_emarsys_records and narrowed_platform_records: the
-- records of these components, and the new ones.
create temp table reopened_members as
select members.rowid as member_key, members.*
from identity_members as members
where
    coalesce(members.component_id, members.identity_id) in (
        select coalesce(reopening.component_id, reopening.identity_id)
        from reopening_members as reopening
        semi join reopening_records using (source, account, contact_id)
    );

create temp table present_members as
from reopened_members
union all
from reopening_members
anti join reopened_members using (member_key);

create temp table narrowed_keys as
select source, account, contact_id from reopening_records
union
select source, account, contact_id from reopened_members;

create temp table narrowed_emarsys_records as
select record_key, account, contact_id, first_window_start, phone_numbers, email_addresses
from emarsys_records
semi join (
    select account, contact_id from narrowed_keys where source = 'emarsys'
) as chosen using (account, contact_id);

create temp table narrowed_platform_records as
select record_key, contact_id, first_window_start, phone_number, email_address
from platform_records
semi join (
    select contact_id from narrowed_keys where source = 'platform'
) as chosen using (contact_id);
