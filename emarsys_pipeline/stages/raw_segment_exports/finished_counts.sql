-- Reads: finished, previous, to_fetch, fetched. Gives: the contacts that are in the segment
-- (of a full import), entered, departed and changed, and those deleted before they could be read.
select
    count(*) filter (kind <> 'left') as members,
    count(*) filter (
        kind <> 'left' and contact_id not in (select contact_id from previous)
    ) as entered,
    count(*) filter (kind = 'left') as departed,
    count(*) filter (kind = 'changed') as changed,
    (select count(*) from to_fetch) - (select count(*) from fetched) as deleted
from finished
