-- Reads contact_upsert_deliveries; writes contact_upsert_pushes, one row per upsert of the next
-- batch: due now, and no request of its identity unsettled. Older upserts were superseded in the
-- same transaction, so whatever is due is its identity's newest. Oldest first; ties by identity.
insert into contact_upsert_pushes by name
with unsettled as (
    select distinct identity_id
    from contact_upsert_pushes
    where outcome in ('sending', 'unknown')
)

select
    deliveries.window_start,
    deliveries.upsert_id,
    deliveries.identity_id,
    $batch_id as batch_id,
    deliveries.attempts + 1 as attempt,
    'sending' as outcome,
    true as is_retryable,
    $now::timestamptz as intended_at,
    $run_id as run_id
from contact_upsert_deliveries as deliveries
anti join unsettled on unsettled.identity_id = deliveries.identity_id
where
    deliveries.outcome = 'pending'
    or (
        deliveries.outcome in ('rejected', 'repeated', 'unsent')
        and deliveries.is_retryable
        and coalesce(deliveries.retry_at, $now) <= $now
    )
order by deliveries.derived_at, deliveries.identity_id
limit $batch_size;
