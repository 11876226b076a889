-- Reads incoming_events (automation calls in the order of the inbox), account_regions and
-- automation_events; makes added_events, one row per call that is not in the table yet, in the
-- window in which it arrived. A call says whom it is about in pairs of the customer's choice: the
-- names that Emarsys and its partners use are tried in turn.
create temp table added_events as
with fresh as (
    select incoming.*, coalesce(regions.default_region, '') as region
    from incoming_events as incoming
    left join account_regions as regions using (account)
    anti join automation_events as known on known.message_id = incoming.message_id
),

named as (
    select
        *,
        coalesce(
            nullif(body ->> '$.contact_id', ''), nullif(body ->> '$.user_id', '')
        ) as contact_id,
        coalesce(
            nullif(body ->> '$.external_reference_id', ''), nullif(body ->> '$.external_id', '')
        ) as external_id,
        coalesce(
            body ->> '$.phone', body ->> '$.phone_number', body ->> '$.mobile'
        ) as phone,
        coalesce(body ->> '$.email', body ->> '$.email_address') as email,
        -- A time without zone is Emarsys's own clock or anybody's: then the arrival stands for it.
        case
            when regexp_matches(body ->> '$.event_time', '(Z|[+-][0-9]{2}(:?[0-9]{2})?)$')
                then try_cast(body ->> '$.event_time' as timestamptz)
        end as event_time
    from fresh
)

select
    greatest(
        time_bucket(
            to_minutes($length_minutes::integer), received_at, $grid_start::timestamptz
        ),
        $grid_start::timestamptz
    ) as window_start,
    message_id,
    sequence as inbox_sequence,
    received_at,
    coalesce(event_time, received_at) as occurred_at,
    account,
    coalesce(
        nullif(body ->> '$.event_name', ''),
        nullif(body ->> '$.scenario', ''),
        nullif(body ->> '$.resource_id', '')
    ) as event_name,
    contact_id,
    external_id,
    coalesce(
        case
            when regexp_full_match(phone, '[1-9][0-9]{7,14}')
                then normalise_phone('+' || phone, region)
        end,
        normalise_phone(phone, region)
    ) as phone_number,
    normalise_email(email) as email_address,
    coalesce(
        nullif(body ->> '$.ems_program_id', ''), nullif(body ->> '$.program_id', '')
    ) as program_id,
    nullif(body ->> '$.list_id', '') as contact_list_id,
    body as payload,
    source
from named;
