-- Reads one table; gives one row per window told that it has rows of: the window and their number.
select window_start, count(*)
from {{ table }}
where list_contains($window_starts, window_start)
group by window_start;
