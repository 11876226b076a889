-- Reads record_identifiers, shared_identifiers, components and cut_links; makes shared_identities,
-- one row per shared identifier. Where stands_for_several, its records are in several identities.
-- Where is_cut, so are even the records that no cut keeps apart: the guard on size took them apart.
create temp table shared_identities as
with holders as (
    select
        held.kind,
        held.value,
        coalesce(components.component, held.record_key) as component,
        cut_links.value is null as is_kept
    from record_identifiers as held
    semi join shared_identifiers using (kind, value)
    left join components using (record_key)
    left join cut_links using (record_key, kind, value)
)

select
    kind,
    value,
    min(component) <> max(component) as stands_for_several,
    coalesce(
        min(component) filter (is_kept) <> max(component) filter (is_kept), false
    ) as is_cut
from holders
group by kind, value;
