-- Reads {{ deliveries }}; gives one row: whether anything is to be sent or settled by now. A request
-- that was built long ago and has no outcome was left behind by a worker that died.
select exists (
    select 1
    from {{ deliveries }}
    where
        outcome = 'pending'
        or (
            outcome in ('rejected', 'repeated', 'unsent')
            and is_retryable
            and coalesce(retry_at, $now) <= $now
        )
        or (outcome = 'unknown' and retry_at <= $now)
        or (outcome = 'sending' and intended_at <= $oldest)
) as is_due;
