-- Reads segment_imports; gives one row per window of a segment up to the window told, the last
-- hundred of them, oldest first: members, and what entered and left. In a segment's first window
-- everybody would have entered, which would dwarf the others; nobody is counted there.
select window_start, members, entered, departed
from (
    select
        window_start,
        members,
        if(lag(members) over (order by window_start) is null, 0, entered) as entered,
        departed
    from segment_imports
    where account = $account and segment_id = $segment_id and window_start <= $window_start
    order by window_start desc
    limit 100
)
order by window_start;
