-- Reads changed_records and contacts_at_window; makes touched_emarsys_records, the changed ones. The rows of
-- current_contacts that mapping wrote last are at its end, where the column of the window finds them.
create temp table touched_emarsys_records as
select record_key, account, contact_id, first_window_start, phone_numbers, email_addresses
from contacts_at_window
semi join (
    select account, contact_id from changed_records where source = 'emarsys'
) as changed using (account, contact_id)
where touched_window_start > $after;
