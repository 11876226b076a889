-- Reads record_identifiers, shared_identifiers and identity_map; writes identity_identifiers, one
-- row per identifier that stands for one identity: not blocked, not held by too many, and with all
-- its records in that identity.
insert into identity_identifiers by name
select identity_map.identity_id, held.kind, held.value
from record_identifiers as held
inner join identity_map using (record_key)
anti join shared_identifiers as shared using (kind, value)
where held.value not in (select blocked.value from blocked_identifiers as blocked)
union all
select min(identity_map.identity_id) as identity_id, held.kind, held.value
from record_identifiers as held
inner join shared_identifiers as shared using (kind, value)
inner join identity_map using (record_key)
where shared.is_link
group by held.kind, held.value
having min(identity_map.identity_id) = max(identity_map.identity_id);
