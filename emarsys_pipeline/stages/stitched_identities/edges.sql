-- Reads record_identifiers, shared_identifiers and among_records; gives one row per edge from the
-- first record of an identifier to another record that holds it.
select shared.anchor, held.record_key
from record_identifiers as held
inner join shared_identifiers as shared using (kind, value)
where
    shared.is_link
    and shared.records <= $max_records
    and list_contains($kinds, shared.kind)
    and held.record_key <> shared.anchor
    and (
        not $is_limited
        or held.record_key in (select among.record_key from among_records as among)
    );
