-- Reads narrowed_keys, members_around, contacts_at_window and platform_records; makes looked_up_contacts and
-- looked_up_platform_records, the records of all these; and narrowed_emarsys_records and
-- narrowed_platform_records, those that are stitched again.
create temp table looked_up_keys as
select source, account, contact_id from narrowed_keys
union all
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
