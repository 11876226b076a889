-- Reads opt_in_deliveries; gives one row: whether anything is to be sent or read back by now. A
-- request that was built long ago and has no outcome was left behind by a worker that died.
select exists (
    select 1
    from opt_in_deliveries
    where
        outcome = 'pending'
        or (outcome = 'rejected' and is_retryable and retry_at <= $now)
        or (outcome = 'unknown' and retry_at <= $now)
        or (outcome = 'sending' and intended_at <= $oldest)
) as is_due;
