-- Reads held_identifiers, repeated_hashes, record_identifiers, shared_identifiers,
-- shared_identities, blocked_identifiers and linked_records; writes identity_identifiers, which is
-- empty, one row per identifier that stands for one identity: not blocked, not held by too many, and
-- with all its records in that identity. Readers look events and people up by it, so identifiers of a
-- single record are in it too.
insert into identity_identifiers by name
with single as (
    select held.*
    from held_identifiers as held
    anti join repeated_hashes as repeated on repeated.value_hash = hash(held.value)
    union all
    select held.*
    from held_identifiers as held
    semi join (
        select record_key, kind, value
        from record_identifiers
        anti join shared_identifiers using (kind, value)
    ) as colliding using (record_key, kind, value)
)

select
    coalesce(
        linked.identity_id, identity_id_of(single.source, single.account, single.contact_id)
    ) as identity_id,
    single.kind,
    single.value
from single
left join linked_records as linked using (record_key)
anti join blocked_identifiers as blocked
    on blocked.kind = single.kind and blocked.value = single.value
union all
select linked.identity_id, shared.kind, shared.value
from shared_identifiers as shared
inner join linked_records as linked on linked.record_key = shared.anchor
anti join (
    select kind, value from shared_identities where stands_for_several
) as several on several.kind = shared.kind and several.value = shared.value
where shared.is_link;
