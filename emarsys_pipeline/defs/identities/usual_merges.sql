-- Reads identity_stitches; gives one row: the merges of a window, and the mean of up to 30 windows
-- before it, null without any. The first window of all has nothing to merge, so it does not count.
select
    max(merges) filter (window_start = $window_start) as merges,
    avg(merges) filter (
        window_start < $window_start
        and window_start > (select min(first.window_start) from identity_stitches as first)
    ) as usual_merges
from (
    from identity_stitches
    where window_start <= $window_start
    order by window_start desc
    limit 31
);
