-- Reads contact_upsert_deliveries; writes contact_upsert_pushes, one row per upsert that was still
-- to be sent when a newer one of its identity came. Upserts in an unsettled request are left until
-- their outcome is known.
insert into contact_upsert_pushes by name
with newest as (
    select identity_id, max(derived_at) as derived_at
    from contact_upserts
    group by identity_id
)

select
    deliveries.window_start,
    deliveries.upsert_id,
    deliveries.identity_id,
    $batch_id as batch_id,
    deliveries.attempts as attempt,
    'superseded' as outcome,
    false as is_retryable,
    $now::timestamptz as intended_at,
    $now::timestamptz as settled_at,
    $run_id as run_id
from contact_upsert_deliveries as deliveries
inner join newest
    on
        newest.identity_id = deliveries.identity_id
        and newest.derived_at > deliveries.derived_at
where
    deliveries.outcome = 'pending'
    or (deliveries.outcome in ('rejected', 'repeated', 'unsent') and deliveries.is_retryable);
