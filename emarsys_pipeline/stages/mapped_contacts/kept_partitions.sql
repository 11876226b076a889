-- Reads: segment_imports, raw_prunings. Gives: one row per landed partition of the account whose raw
-- rows are kept, in the order of windows; a window that was superseded has none, and counts.
with limits as (
    select segment_id, max(kept_from) as kept_from
    from raw_prunings
    where account = $account
    group by segment_id
)

select imports.segment_id, imports.window_start
from segment_imports as imports
left join limits using (segment_id)
where imports.account = $account
    and (limits.kept_from is null or imports.window_start >= limits.kept_from)
order by imports.window_start, imports.segment_id
