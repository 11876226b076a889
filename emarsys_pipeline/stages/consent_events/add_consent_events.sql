-- Reads incoming_events (messages of one window) and consent_events; makes added_events, one row
-- per decision that is not in the ledger yet.
create temp table added_events as
with fresh as (
    select incoming.*
    from incoming_events as incoming
    anti join consent_events as known using (event_id)
)

select
    $window_start::timestamptz as window_start,
    event_id,
    sequence as inbox_sequence,
    received_at,
    occurred_at,
    lower(channel) as channel,
    case
        when lower(status) in ('granted', 'withdrawn', 'denied') then lower(status)
        else 'unknown'
    end as status,
    status as reported_status,
    nullif(platform_contact_id, '') as platform_contact_id,
    coalesce(
        case
            when regexp_full_match(phone, '[1-9][0-9]{7,14}')
                then normalise_phone('+' || phone, $default_region)
        end,
        normalise_phone(phone, $default_region)
    ) as phone_number,
    normalise_email(email) as email_address,
    source,
    evidence_hash
from fresh;
