-- Reads: raw_segment_exports. Gives: one row per contact whose values the partition holds, which is
-- about to be written again.
select * exclude (account, segment_id, window_start)
from raw_segment_exports
where account = $account
    and segment_id = $segment_id
    and window_start = $window_start
    and kind <> 'left'
