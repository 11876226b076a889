-- Reads platform_contacts; gives one row per messaging-side contact, as its newest message up to
-- the window told, and the row of that message. A deletion carries no values, so the last values stand.
-- Ties: the later received, then the larger inbox sequence.
-- Most contacts have one message, which needs no choice.
with messages as (
    select rowid as message_key, *
    from platform_contacts
    {{ only }}
    where window_start <= $window_start
),

repeated as (
    select platform_contact_id
    from messages
    group by platform_contact_id
    having count(*) > 1
),

known as (
    select
        *,
        min(window_start) over (partition by platform_contact_id) as first_window_start,
        row_number() over (
            partition by platform_contact_id
            order by is_deleted, updated_at desc, received_at desc, inbox_sequence desc
        ) as age
    from messages
    semi join repeated using (platform_contact_id)
)

select
    platform_contact_id as contact_id,
    first_window_start,
    phone_number,
    email_address,
    message_key
from known
where age = 1
union all
select
    platform_contact_id as contact_id,
    window_start as first_window_start,
    phone_number,
    email_address,
    message_key
from messages
anti join repeated using (platform_contact_id)
