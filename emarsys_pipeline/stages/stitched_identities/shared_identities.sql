-- Reads record_identifiers, shared_identifiers, identity_map and cut_links; makes shared_identities,
-- one row per shared identifier. Where stands_for_several, its records are in several identities, and
-- identity_id is one of them. Where is_cut, so are even the records that no cut keeps apart: the
-- guard on size took them apart.
create temp table shared_identities as
select
    held.kind,
    held.value,
    min(identity_map.identity_id) as identity_id,
    min(identity_map.identity_id) <> max(identity_map.identity_id) as stands_for_several,
    coalesce(
        min(identity_map.identity_id) filter (cut_links.value is null)
        <> max(identity_map.identity_id) filter (cut_links.value is null),
        false
    ) as is_cut
from record_identifiers as held
inner join shared_identifiers using (kind, value)
inner join identity_map using (record_key)
left join cut_links using (record_key, kind, value)
group by held.kind, held.value;
