-- Reads record_identifiers, shared_identifiers and decided_pairs; gives one row per edge: from the
-- first record of an identifier to another record that holds it, and between joined records.
select shared.anchor, held.record_key
from record_identifiers as held
inner join shared_identifiers as shared using (kind, value)
where shared.is_link and held.record_key <> shared.anchor
union all
select record_key as anchor, other_record_key as record_key
from decided_pairs
where action = 'join';
