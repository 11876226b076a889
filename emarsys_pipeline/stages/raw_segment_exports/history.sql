-- Reads: segment_imports. Gives: one row per segment asked for that has landed in another window:
-- what the decision between a full and an incremental import needs.
select
    segment_id,
    max(window_start) filter (mode = 'full' and window_start < $window_start) as last_full,
    max_by(requested_at, window_start) filter (
        mode <> 'superseded' and window_start < $window_start
    ) as last_requested_at,
    coalesce(bool_or(mode <> 'superseded' and window_start > $window_start), false) as is_superseded
from segment_imports
where account = $account and list_contains($segment_ids::varchar[], segment_id)
group by segment_id
order by segment_id
