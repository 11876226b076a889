-- Reads contact_upsert_deliveries; updates contact_upsert_pushes: the newest attempts of upserts
-- that were refused for good may be followed by another one.
update contact_upsert_pushes
set is_retryable = true, retry_at = $now::timestamptz
from contact_upsert_deliveries as deliveries
where
    deliveries.upsert_id = contact_upsert_pushes.upsert_id
    and deliveries.attempts = contact_upsert_pushes.attempt
    and deliveries.outcome = 'rejected'
    and not deliveries.is_retryable
    and contact_upsert_pushes.outcome = 'rejected';
