-- Reads resolved_consent_events; makes resolved_decisions, one row per consent event, so that events and
-- identities are brought together once.
create temp table resolved_decisions as
select
    identity_id,
    channel,
    status,
    source,
    event_id,
    occurred_at,
    received_at,
    window_start
from resolved_consent_events;
