-- Reads opt_in_deliveries; gives one row: newest deltas of their contacts refused for good.
with newest as (
    select outcome, is_retryable
    from opt_in_deliveries
    qualify row_number() over (
        partition by account, contact_id order by derived_at desc, delta_id
    ) = 1
)

select count(*) as dead_letters
from newest
where outcome = 'rejected' and not is_retryable;
