-- Reads platform_contacts; gives one row per messaging-side contact, as its newest message up to
-- the window told, and the row of that message. A deletion carries no values, so the last values stand.
-- Ties: the later received, then the larger inbox sequence.
select
    platform_contact_id as contact_id,
    min(window_start) over (partition by platform_contact_id) as first_window_start,
    phone_number,
    email_address,
    platform_contacts.rowid as message_key
from platform_contacts
{{ only }}
where window_start <= $window_start
qualify row_number() over (
    partition by platform_contact_id
    order by is_deleted, updated_at desc, received_at desc, inbox_sequence desc
) = 1
