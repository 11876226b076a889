-- Reads read_back, one row per contact that was read; updates the pushes without an answer: the
-- value is there, so it was accepted, or it is not, so it is due again, unless the contact is gone
-- and may not be made.
update opt_in_pushes
set
    outcome = case when read_back.value = opt_in_pushes.value then 'accepted' else 'rejected' end,
    is_retryable
    = (read_back.is_found or $creates_missing)
    and read_back.value is distinct from opt_in_pushes.value,
    retry_at = $now::timestamptz,
    reply_code = case when not read_back.is_found then '2008' end,
    reply_text = case
        when not read_back.is_found then 'contact not found when read back'
        when read_back.value = opt_in_pushes.value then 'no answer; found when read back'
        else 'no answer; not found when read back'
    end,
    remedy = case when not read_back.is_found then $remedy end,
    settled_at = $now::timestamptz
from read_back
where
    opt_in_pushes.account = $account
    and opt_in_pushes.field_id = $field_id
    and opt_in_pushes.key_field_id is not distinct from $key_field_id
    and opt_in_pushes.outcome = 'unknown'
    and opt_in_pushes.retry_at <= $due
    and opt_in_pushes.contact_id = read_back.contact_id;
