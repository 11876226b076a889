-- Reads segment_imports; gives one row per segment: its newest landed import, and whether that is
-- older than the newest window that has ended (null before the first has).
select
    account || '-' || segment_id as segment,
    max(window_start) as newest_window,
    max_by(landed_at, window_start) as landed_at,
    max_by(mode, window_start) as mode,
    max_by(members, window_start) as members,
    max_by(changed, window_start) as changed,
    coalesce(max(window_start) < $newest_window_start::timestamptz, false) as is_behind
from segment_imports
where mode <> 'superseded'
group by account, segment_id
order by account, segment_id;
