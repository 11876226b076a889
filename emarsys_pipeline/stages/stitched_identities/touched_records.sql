-- Reads changed_records, emarsys_records and platform_records; makes touched_emarsys_records and
-- touched_platform_records, the changed ones of either side.
create temp table touched_emarsys_records as
select record_key, account, contact_id, first_window_start, phone_numbers, email_addresses
from emarsys_records
semi join (
    select account, contact_id from changed_records where source = 'emarsys'
) as changed using (account, contact_id);

create temp table touched_platform_records as
select record_key, contact_id, first_window_start, phone_number, email_address
from platform_records
semi join (
    select contact_id from changed_records where source = 'platform'
) as changed using (contact_id);
