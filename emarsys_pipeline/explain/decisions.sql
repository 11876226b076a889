-- Reads resolved_consent_events and consent_status; gives one row per decision of the identity,
-- oldest first, with a mark on the one that holds for its channel.
select
    events.event_id,
    events.channel,
    events.reported_status as status,
    events.occurred_at,
    events.received_at,
    events.source,
    events.resolved_by,
    decisions.event_id is not null as is_deciding
from resolved_consent_events as events
left join consent_status as decisions
    on
        decisions.identity_id = events.identity_id
        and decisions.channel = events.channel
        and decisions.event_id = events.event_id
where events.identity_id = $identity_id
order by events.occurred_at, events.received_at, events.event_id;
