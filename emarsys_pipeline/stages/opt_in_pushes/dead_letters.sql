-- Reads opt_in_deliveries; gives one row per dead letter: the newest delta of its contact and field,
-- refused for good. Oldest first; ties by delta id.
with newest as (
    select *
    from opt_in_deliveries
    qualify row_number() over (
        partition by account, contact_id, field_id order by derived_at desc, delta_id
    ) = 1
)

select
    delta_id,
    account,
    contact_id,
    new_value,
    attempts,
    settled_at,
    http_status,
    reply_code,
    reply_text,
    remedy
from newest
where outcome = 'rejected' and not is_retryable
order by derived_at, delta_id;
