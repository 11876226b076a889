-- Reads verdicts, one row per upsert of a batch; updates contact_upsert_pushes.
update contact_upsert_pushes
set
    outcome = verdicts.outcome,
    is_retryable = verdicts.is_retryable,
    retry_at = verdicts.retry_at,
    http_status = verdicts.http_status,
    reply_text = verdicts.reply_text,
    remedy = verdicts.remedy,
    settled_at = case when verdicts.outcome <> 'unknown' then $now::timestamptz end
from verdicts
where
    contact_upsert_pushes.batch_id = $batch_id
    and contact_upsert_pushes.outcome in ('sending', 'unknown')
    and contact_upsert_pushes.upsert_id = verdicts.upsert_id;
