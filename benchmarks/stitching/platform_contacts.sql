-- Reads contacts; adds to platform_contacts one message per contact of the messaging side.
insert into platform_contacts by name
select
    $start::timestamptz as window_start,
    'm' || number as message_id,
    number as inbox_sequence,
    $start::timestamptz as received_at,
    $end::timestamptz as updated_at,
    'pc-' || number as platform_contact_id,
    false as is_deleted,
    'First' || hash(person, 'first') % 5000 as first_name,
    'Last' || hash(person, 'last') % 50000 as last_name,
    phone_number as phone,
    phone_number,
    email_address as email,
    email_address
from contacts
where is_platform;
