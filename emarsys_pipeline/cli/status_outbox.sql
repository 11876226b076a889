-- Reads opt_in_deliveries; gives one row per account and state, the oldest delta of each. A newest
-- delta that was refused for good is a dead letter.
with newest as (
    select
        account,
        derived_at,
        case
            when outcome = 'rejected' and is_retryable then 'to be sent again'
            when outcome = 'rejected' then 'dead letter'
            else outcome
        end as outcome
    from opt_in_deliveries
    qualify row_number() over (
        partition by account, contact_id, field_id order by derived_at desc, delta_id
    ) = 1
)

select account, outcome, count(*) as deltas, min(derived_at) as oldest
from newest
group by account, outcome
order by account, outcome;
