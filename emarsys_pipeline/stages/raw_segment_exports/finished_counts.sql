-- Reads: finished, previous, to_fetch, fetched. Gives: the contacts that are in the segment
-- (of a full import), entered, departed and changed, and those deleted before they could be read.
select
    count(*) filter (kind not in ('left', 'passed')) as members,
    count(*) filter (
        kind not in ('left', 'passed') and contact_id not in (select contact_id from previous)
    ) as entered,
    count(*) filter (kind in ('left', 'passed')) as departed,
    count(*) filter (kind = 'changed') as changed,
    (select count(*) from to_fetch) - (select count(*) from fetched) as deleted
from finished
