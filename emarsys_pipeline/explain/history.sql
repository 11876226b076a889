-- Reads consent_steps; gives every step of the identity in order.
select
    happened_at,
    step_number,
    step,
    channel,
    status,
    reported_status,
    source,
    resolved_by,
    occurred_at,
    received_at,
    event_id,
    account,
    contact_id,
    delta_id,
    attempt,
    old_value,
    value,
    reason,
    outcome,
    http_status,
    reply_code,
    reply_text,
    left_identity_id,
    joined_identity_id
from consent_steps
where identity_id = $identity_id
order by
    happened_at, step_number, account, contact_id, event_id, delta_id, attempt, left_identity_id,
    joined_identity_id;
