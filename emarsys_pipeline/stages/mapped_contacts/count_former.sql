-- Reads: former_rows. Gives: the numbers of touched contacts that the partition has the newest values
-- of, of those among them that another segment brought up to date in this window, and of the others.
select
    count(*) filter (is_newest) as advanced,
    count(*) filter (is_newest and window_start = $window_start) as contested,
    count(*) filter (not is_newest) as others
from former_rows
