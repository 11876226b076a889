-- Reads current_contacts; makes records, one row per contact of either side, here those of
-- Emarsys. Contacts that left every segment stay with their last identifiers, so that leaving
-- does not change who a person is.
create temp table records as
select
    'emarsys' as source,
    account,
    contact_id,
    first_window_start,
    phone_numbers,
    email_addresses
from current_contacts;
