-- Reads: segment_imports. Gives: one row per landed import of these segments in one window.
select
    segment_id,
    mode,
    members,
    rows_delivered,
    entered,
    departed,
    changed,
    export_ids,
    api_calls,
    bytes_downloaded,
    seconds
from segment_imports
where account = $account
    and window_start = $window_start
    and list_contains($segment_ids::varchar[], segment_id)
order by segment_id
