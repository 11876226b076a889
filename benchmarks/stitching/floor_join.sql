-- Reads floor_held and floor_shared; makes floor_edges, one row per link between two contacts.
create temp table floor_edges as
select shared.anchor, held.record_key
from floor_held as held
inner join floor_shared as shared using (kind, value)
where held.record_key <> shared.anchor and shared.records <= 10;
