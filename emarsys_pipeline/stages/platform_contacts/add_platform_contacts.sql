-- Reads incoming_contacts (messages of one window) and platform_contacts; makes added_contacts,
-- one row per message that is not in the table yet. Messaging platforms write numbers with the
-- country code, with or without a plus, so that reading is tried first.
create temp table added_contacts as
with fresh as (
    select incoming.*
    from incoming_contacts as incoming
    anti join platform_contacts as known
        on known.window_start = $window_start and known.message_id = incoming.message_id
)

select
    $window_start::timestamptz as window_start,
    message_id,
    sequence as inbox_sequence,
    received_at,
    coalesce(updated_at, received_at) as updated_at,
    platform_contact_id,
    is_deleted,
    nullif(first_name, '') as first_name,
    nullif(last_name, '') as last_name,
    nullif(phone, '') as phone,
    coalesce(
        case
            when regexp_full_match(phone, '[1-9][0-9]{7,14}')
                then normalise_phone('+' || phone, $default_region)
        end,
        normalise_phone(phone, $default_region)
    ) as phone_number,
    nullif(email, '') as email,
    normalise_email(email) as email_address
from fresh;
