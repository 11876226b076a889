-- Reads pair_changes, quarantined_links and held_identifiers; makes looked_up_holders, one row per holder of
-- an identifier whose holders changed or that links nobody: of all others, the holders are in one component.
create temp table looked_up_holders as
select held.record_key, held.source, held.account, held.contact_id, held.kind, held.value
from held_identifiers as held
semi join (
    select kind, value
    from pair_changes
    union
    select kind, value
    from quarantined_links
    where contact_id is null and reason <> $too_large
) as looked_for on looked_for.kind = held.kind and looked_for.value = held.value;
