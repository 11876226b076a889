-- Reads held_identifiers; makes record_identifiers, one row per record and identifier that several
-- records hold. Most identifiers have one holder. Equal values have equal hashes, so a hash that
-- occurs once belongs to such a one; only the others, in repeated_hashes, are compared as texts.
create temp table repeated_hashes as
select hash(value) as value_hash
from held_identifiers
group by value_hash
having count(*) > 1;

create temp table record_identifiers as
select held.record_key, held.kind, held.value
from held_identifiers as held
semi join repeated_hashes as repeated on repeated.value_hash = hash(held.value);
