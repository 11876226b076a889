-- Reads opt_in_deliveries and chosen_deltas; writes opt_in_replays, one row per chosen delta whose
-- newest attempt was refused for good.
insert into opt_in_replays by name
select
    deliveries.window_start,
    deliveries.account,
    deliveries.delta_id,
    deliveries.attempts as attempt,
    $now::timestamptz as requested_at
from opt_in_deliveries as deliveries
inner join chosen_deltas using (delta_id)
where deliveries.outcome = 'rejected' and not deliveries.is_retryable;
