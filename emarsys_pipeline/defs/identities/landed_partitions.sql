-- Reads segment_imports; one row per segment and window that has landed, of the given windows.
select distinct account, segment_id, window_start
from segment_imports
where list_contains($window_starts::timestamptz[], window_start)
order by account, segment_id, window_start
