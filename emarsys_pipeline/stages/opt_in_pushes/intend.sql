-- Reads opt_in_deltas and opt_in_pushes; writes opt_in_pushes, one row per delta of the next
-- request: the newest delta of its contact and field, due now, with no unsettled request of that
-- contact. Oldest first; ties by delta id. A contact is in a request once, even when the settings
-- name another field since: its other delta is for the next request.
insert into opt_in_pushes by name
with ranked as (
    select
        deliveries.*,
        row_number() over (
            partition by account, contact_id, field_id order by derived_at desc, delta_id
        ) as age
    from opt_in_deliveries as deliveries
    where account = $account
),

unsettled as (
    select distinct contact_id
    from opt_in_pushes
    where account = $account and outcome in ('sending', 'unknown')
)

select
    ranked.window_start,
    ranked.account,
    $batch_id as batch_id,
    ranked.delta_id,
    ranked.contact_id,
    ranked.field_id,
    ranked.new_value as value,
    ranked.attempts + 1 as attempt,
    'sending' as outcome,
    true as is_retryable,
    $now::timestamptz as intended_at,
    $run_id as run_id
from ranked
anti join unsettled using (contact_id)
where
    ranked.age = 1
    and (
        ranked.outcome = 'pending'
        or (ranked.outcome = 'rejected' and ranked.is_retryable and ranked.retry_at <= $now)
    )
qualify row_number() over (
    partition by ranked.contact_id order by ranked.derived_at, ranked.delta_id
) = 1
order by ranked.derived_at, ranked.delta_id
limit $batch_size;
