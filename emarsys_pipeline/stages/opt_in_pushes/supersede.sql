-- Reads open_deltas; writes opt_in_pushes, one row per delta that was still to
-- be sent when a newer one for the same contact and field came. Deltas in an unsettled request are
-- left until their outcome is known.
insert into opt_in_pushes by name
select
    window_start,
    account,
    $batch_id as batch_id,
    delta_id,
    contact_id,
    field_id,
    new_value as value,
    attempts as attempt,
    'superseded' as outcome,
    false as is_retryable,
    $now::timestamptz as intended_at,
    $now::timestamptz as settled_at,
    $run_id as run_id
from open_deltas
where not is_newest and (outcome = 'pending' or (outcome = 'rejected' and is_retryable));
