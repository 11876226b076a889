-- Reads record_identifiers, shared_identifiers, components, linked_records and cut_links; makes
-- shared_identities, one row per shared identifier that may stand for several identities: it links
-- nobody, or a guard took its component apart. Where stands_for_several, its records are in several
-- identities. Where is_cut, so are even the records that no cut keeps apart: the guard on size took
-- them apart.
create temp table shared_identities as
with looked_at as (
    select kind, value
    from shared_identifiers
    where not is_link
    union
    select held.kind, held.value
    from record_identifiers as held
    semi join (
        select record_key from linked_records where component_id is not null
    ) as taken_apart using (record_key)
),

holders as (
    select
        held.kind,
        held.value,
        coalesce(components.component, held.record_key) as component,
        cut_links.value is null as is_kept
    from record_identifiers as held
    semi join looked_at using (kind, value)
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
