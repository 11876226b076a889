-- Reads platform_contacts, set_aside_messages and repeated_platform_contacts; makes platform_records, one
-- row per messaging-side contact as at the end of the window, with the row of the message that says so.
create temp view platform_records as
select
    -1 - rowid as record_key,
    platform_contact_id as contact_id,
    window_start as first_window_start,
    phone_number,
    email_address,
    rowid as message_key
from platform_contacts
anti join set_aside_messages as aside on aside.message_key = platform_contacts.rowid
union all
select
    -1 - message_key as record_key,
    contact_id,
    first_window_start,
    phone_number,
    email_address,
    message_key
from repeated_platform_contacts;
