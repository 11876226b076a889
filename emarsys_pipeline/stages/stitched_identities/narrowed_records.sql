-- Reads reopening_records, identity_members, emarsys_records and platform_records; makes
-- narrowed_emarsys_records and narrowed_platform_records: the records of these components, as they
-- were in the window before, and the new ones.
create temp table narrowed_keys as
select source, account, contact_id
from reopening_records
union
select source, account, contact_id
from identity_members
where
    coalesce(component_id, identity_id) in (
        select coalesce(members.component_id, members.identity_id)
        from identity_members as members
        semi join reopening_records using (source, account, contact_id)
    );

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
