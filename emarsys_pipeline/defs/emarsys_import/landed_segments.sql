-- Reads segment_imports; one row per segment that has landed in a window.
select distinct account, segment_id
from segment_imports
where window_start = $window_start
order by account, segment_id
