-- Reads contact_upsert_deliveries; updates contact_upsert_pushes: the newest attempt of an upsert
-- that was refused for good may be followed by another one, if nothing newer is known of its
-- identity.
update contact_upsert_pushes
set is_retryable = true, retry_at = $now::timestamptz
from (
    select upsert_id, attempts, outcome, is_retryable
    from contact_upsert_deliveries
    qualify row_number() over (
        partition by identity_id order by derived_at desc, upsert_id
    ) = 1
) as newest
where
    newest.upsert_id = contact_upsert_pushes.upsert_id
    and newest.attempts = contact_upsert_pushes.attempt
    and newest.outcome = 'rejected'
    and not newest.is_retryable
    and contact_upsert_pushes.outcome = 'rejected';
