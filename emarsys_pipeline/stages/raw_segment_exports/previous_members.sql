-- Reads: raw_segment_exports. Gives: one row per contact that was in the segment when the newest
-- earlier window landed: the last full import and every change since. A contact has one row per
-- window, so the newest is unique.
select contact_id
from raw_segment_exports
where account = $account
    and segment_id = $segment_id
    and window_start >= $last_full
    and window_start < $window_start
group by contact_id
having max_by(kind, window_start) not in ('left', 'passed')
