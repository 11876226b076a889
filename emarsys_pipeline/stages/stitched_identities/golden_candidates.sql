-- Reads golden_held; makes golden_candidates, one row per contact of the identities of several members
-- with its place in each order of preference. Every order is complete.
create temp table golden_candidates as
select * {{ preferences }}
from golden_held
where _is_several;
