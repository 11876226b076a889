-- Reads identity_decisions and proposed_decisions; makes active_decisions, one row per decision that
-- the stitching of the window obeys.
create temp table active_decisions as
with known as (
    select * from identity_decisions where window_start <= $window_start
    union all by name
    select * from proposed_decisions
)

select *
from (
{{ decisions_in_force }}
);
