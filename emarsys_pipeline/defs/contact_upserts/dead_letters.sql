-- Reads contact_upsert_deliveries; gives one row per kind of refusal for good, most first: HTTP
-- status, masked text, remedy, upserts. Only newest upserts count: an older one is past.
with newest as (
    select outcome, is_retryable, http_status, reply_text, remedy
    from contact_upsert_deliveries
    qualify row_number() over (
        partition by identity_id order by derived_at desc, upsert_id
    ) = 1
)

select http_status, reply_text, remedy, count(*) as upserts
from newest
where outcome = 'rejected' and not is_retryable
group by http_status, reply_text, remedy
order by upserts desc, http_status, reply_text
limit 20;
