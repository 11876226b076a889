-- Reads erased_contacts; writes erasure_tombstones, one row per contact id that is not there yet.
insert into erasure_tombstones by name
with wanted as (
    select
        'emarsys' as kind, tombstone_of('emarsys', account || chr(31) || contact_id) as tombstone
    from erased_contacts
)

select kind, tombstone, now() as erased_at
from wanted
anti join erasure_tombstones as known using (kind, tombstone);
