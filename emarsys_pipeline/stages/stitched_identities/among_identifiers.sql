-- Reads among_records, record_identifiers, shared_identifiers and cut_links; makes among_identifiers, one
-- row per record among these and identifier that may link it.
create or replace temp table among_identifiers as
select held.record_key, held.kind, held.value, shared.records, shared.is_released
from record_identifiers as held
semi join among_records using (record_key)
inner join shared_identifiers as shared using (kind, value)
anti join cut_links using (record_key, kind, value)
where shared.is_link;
