-- Reads touched_held_identifiers and former_identifiers; makes pair_changes, one row per record
-- and identifier that it holds now and did not hold at the window stitched before, or the reverse.
create temp table pair_changes as
with present as (
    select source, account, contact_id, kind, value
    from touched_held_identifiers
)

select *, true as is_added
from (from present except from former_identifiers)
union all
select *, false as is_added
from (from former_identifiers except from present);
