-- Reads the person's tables; deletes the tombstones of these identifiers.
delete from erasure_tombstones
where
    row(kind, tombstone) in (
        select row(wanted.kind, tombstone_of(wanted.kind, wanted.value))
        from wanted_tombstones as wanted
    );
