-- Reads: segment_imports. Gives: one row per segment and mode of the account: what its newest import
-- cost.
select
    segment_id,
    mode,
    max_by(members, window_start) as members,
    max_by(changed, window_start) as changed,
    max_by(api_calls, window_start) as api_calls,
    max_by(seconds, window_start) as seconds
from segment_imports
where account = $account and mode in ('full', 'changes')
group by segment_id, mode
order by segment_id, mode
