-- Reads opt_in_deliveries; one row per account, reply code and remedy of deltas that Emarsys refused
-- for good and that no later delta of the same contact has replaced.
select account, coalesce(reply_code, '') as reply_code, coalesce(remedy, '') as remedy,
    count(*) as deltas
from (
    select *
    from opt_in_deliveries
    qualify row_number() over (
        partition by account, contact_id, field_id order by derived_at desc, delta_id desc
    ) = 1
)
where outcome = 'rejected' and not is_retryable
group by all
order by deltas desc, account, reply_code, remedy
limit 20
