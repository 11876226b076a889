-- Reads consent_events; gives one row per window that holds a decision, the last hundred of them,
-- oldest first: decisions for, decisions against, and people who agree after it. Somebody is told
-- apart by the messaging side's id, else the number, else the address, and by the channel.
with decisions as (
    select
        window_start,
        status = 'granted' as agrees,
        coalesce(platform_contact_id, phone_number, email_address) as person,
        channel,
        occurred_at,
        received_at,
        event_id
    from consent_events
    where status in ('granted', 'withdrawn', 'denied')
),

steps as (
    select
        window_start,
        agrees,
        agrees::integer - lag(agrees::integer, 1, 0) over (
            partition by person, channel
            order by occurred_at, received_at, agrees desc, event_id
        ) as step
    from decisions
),

windows as (
    select
        window_start,
        count_if(agrees) as decided_for,
        count_if(not agrees) as decided_against,
        sum(step) as step
    from steps
    group by window_start
)

select window_start, decided_for, decided_against, agreeing
from (
    select
        window_start,
        decided_for,
        decided_against,
        (sum(step) over (order by window_start))::bigint as agreeing
    from windows
    order by window_start desc
    limit 100
)
order by window_start;
