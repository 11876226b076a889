-- Reads opt_in_deliveries; gives one row: whether anything is to be sent or read back by now.
select exists (
    select 1
    from opt_in_deliveries
    where
        outcome = 'pending'
        or (outcome = 'rejected' and is_retryable and retry_at <= $now)
        or (outcome in ('sending', 'unknown') and intended_at <= $oldest)
) as is_due;
