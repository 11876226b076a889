-- Reads record_identifiers, shared_identifiers, shared_identities and identity_map; writes
-- identity_identifiers, one row per identifier that stands for one identity: not blocked, not held
-- by too many, and with all its records in that identity.
insert into identity_identifiers by name
select identity_map.identity_id, held.kind, held.value
from record_identifiers as held
inner join identity_map using (record_key)
anti join shared_identifiers as shared using (kind, value)
anti join blocked_identifiers as blocked using (kind, value)
union all
select found.identity_id, found.kind, found.value
from shared_identities as found
inner join shared_identifiers as shared using (kind, value)
where shared.is_link and not found.stands_for_several;
