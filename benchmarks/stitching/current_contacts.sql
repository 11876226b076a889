-- Reads mapped_contacts; adds the same rows to current_contacts.
insert into current_contacts by name
select
    account,
    contact_id,
    window_start as first_window_start,
    window_start,
    true as is_member,
    phone_numbers,
    email_addresses,
    requested_at,
    window_start as touched_window_start,
    first_name,
    last_name,
    city,
    country,
    salutation
from mapped_contacts;
