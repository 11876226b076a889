-- Reads pair_changes, changed_members, held_identifiers, their assignments, blocked_identifiers,
-- settled_identifiers and shared_identifiers; writes the rows of identity_identifiers of those identifiers
-- whose holders, or whose holders' identities, are not what they were.
create temp table affected_identifiers as
with touched as (
    select kind, value
    from pair_changes
    union
    select kind, value
    from held_identifiers
    semi join changed_members using (source, account, contact_id)
)

from touched
anti join settled_identifiers using (kind, value);

delete from identity_identifiers
using affected_identifiers as affected
where affected.kind = identity_identifiers.kind and affected.value = identity_identifiers.value;

insert into identity_identifiers by name
with held as (
    select source, account, contact_id, kind, value
    from held_identifiers
    semi join affected_identifiers using (kind, value)
)

select min(members.identity_id) as identity_id, held.kind, held.value
from held
inner join {{ assignments }} as members using (source, account, contact_id)
anti join (
    select kind, value from shared_identifiers where not is_link
) as unlinking on unlinking.kind = held.kind and unlinking.value = held.value
anti join blocked_identifiers as blocked on blocked.kind = held.kind and blocked.value = held.value
group by held.kind, held.value
having min(members.identity_id) = max(members.identity_id);
