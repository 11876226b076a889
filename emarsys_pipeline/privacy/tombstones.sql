-- Reads the person's tables; writes erasure_tombstones, one row per identifier that is not there yet.
insert into erasure_tombstones by name
with wanted as (
    select
        source as kind,
        tombstone_of(
            source,
            case when source = 'emarsys' then account || chr(31) || contact_id else contact_id end
        ) as tombstone
    from erasing_contacts
    union
    select kind, tombstone_of(kind, value) as tombstone from erasing_identifiers
    union
    select 'event' as kind, tombstone_of('event', event_id) as tombstone from erasing_events
)

select kind, tombstone, $erased_at::timestamptz as erased_at
from wanted
anti join erasure_tombstones as known using (kind, tombstone);
