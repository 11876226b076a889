-- Updates opt_in_pushes: a request without an outcome, while nobody else pushes to the account, was
-- left behind by a worker that died. It may have reached Emarsys just now, however long ago it was
-- built, so it is read back only after $settle_at.
update opt_in_pushes
set
    outcome = 'unknown',
    is_retryable = true,
    retry_at = $settle_at::timestamptz,
    reply_text = 'no outcome was recorded: the sender died'
where account = $account and outcome = 'sending';
