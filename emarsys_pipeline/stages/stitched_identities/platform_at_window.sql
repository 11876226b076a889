-- Reads platform_contacts; gives one row per messaging-side contact, as its newest message up to
-- the window told. A deletion carries no values, so the last values stand.
-- Ties: the later received, then the larger inbox sequence.
with known as (
    select
        platform_contact_id,
        phone_number,
        email_address,
        min(window_start) over (partition by platform_contact_id) as first_window_start,
        row_number() over (
            partition by platform_contact_id
            order by is_deleted, updated_at desc, received_at desc, inbox_sequence desc
        ) as age
    from platform_contacts
    {{ only }}
    where window_start <= $window_start
)

select platform_contact_id as contact_id, first_window_start, phone_number, email_address
from known
where age = 1
