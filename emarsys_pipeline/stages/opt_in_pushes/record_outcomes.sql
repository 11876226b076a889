-- Reads verdicts, one row per contact of a batch; updates opt_in_pushes.
update opt_in_pushes
set
    outcome = verdicts.outcome,
    is_retryable = verdicts.is_retryable,
    retry_at = verdicts.retry_at,
    http_status = verdicts.http_status,
    reply_code = verdicts.reply_code,
    reply_text = verdicts.reply_text,
    remedy = verdicts.remedy,
    settled_at = case when verdicts.outcome <> 'unknown' then $now::timestamptz end
from verdicts
where
    opt_in_pushes.batch_id = $batch_id
    and opt_in_pushes.outcome in ('sending', 'unknown')
    and opt_in_pushes.contact_id = verdicts.contact_id;
