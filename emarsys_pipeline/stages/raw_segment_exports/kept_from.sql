-- Reads: raw_prunings. Gives: one row per segment of the account whose raw rows were pruned: the
-- window from which they are kept.
select segment_id, max(kept_from) as kept_from
from raw_prunings
where account = $account
group by segment_id
