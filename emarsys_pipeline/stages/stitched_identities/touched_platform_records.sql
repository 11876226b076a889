-- Reads changed_records and platform_records; makes touched_platform_records, the changed ones.
create temp table touched_platform_records as
select record_key, contact_id, first_window_start, phone_number, email_address
from platform_records
semi join (
    select contact_id from changed_records where source = 'platform'
) as changed using (contact_id);
