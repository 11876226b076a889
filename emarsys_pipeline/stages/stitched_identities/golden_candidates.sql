-- Reads what golden_held.sql reads, for touched_several; makes golden_candidates, one row per contact of
-- these identities with its place in each order of preference. Every order is complete.
create temp table golden_candidates as
{{ held }}

select * {{ preferences }}
from held;
