-- Reads record_identifiers, shared_identifiers and identity_map; makes shared_identities, one row per
-- shared identifier. Where is_cut, its records are in several identities, and identity_id is one.
create temp table shared_identities as
select
    held.kind,
    held.value,
    min(identity_map.identity_id) as identity_id,
    min(identity_map.identity_id) <> max(identity_map.identity_id) as is_cut
from record_identifiers as held
inner join shared_identifiers using (kind, value)
inner join identity_map using (record_key)
group by held.kind, held.value;
