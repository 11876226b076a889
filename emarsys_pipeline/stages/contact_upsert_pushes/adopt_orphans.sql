-- Updates contact_upsert_pushes: a request without an outcome, while nobody else pushes, was left
-- behind by a worker that died. It may have reached the platform just now, however long ago it was
-- built, so its identity is left alone until $settle_at.
update contact_upsert_pushes
set
    outcome = 'unknown',
    is_retryable = true,
    retry_at = $settle_at::timestamptz,
    reply_text = 'no outcome was recorded: the sender died'
where outcome = 'sending';
