-- Reads quarantined_links; gives one row per reason: links held back, and those that nobody has
-- decided on.
select
    reason,
    count(*) as links,
    count(*) filter (decision_id is null) as undecided
from quarantined_links
group by reason
order by links desc, reason;
