-- Updates {{ pushes }}: a request without an outcome, while nobody else pushes, was left behind by a
-- worker that died. It may have arrived just now, however long ago it was built, so it is settled
-- only after $settle_at.
update {{ pushes }}
set
    outcome = 'unknown',
    is_retryable = true,
    retry_at = $settle_at::timestamptz,
    reply_text = 'no outcome was recorded: the sender died'
where outcome = 'sending' and {{ whose }};
