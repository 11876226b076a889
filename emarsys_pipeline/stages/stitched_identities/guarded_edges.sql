-- Reads among_records, among_identifiers and decided_pairs; gives one row per edge among these records,
-- which are whole components: from the first record of an identifier to another record that it still
-- links.
with linking as (
    select
        record_key,
        min(record_key) over (partition by kind, value) as anchor
    from among_identifiers
    semi join among_records using (record_key)
    where is_released or (records <= $max_records and list_contains($kinds, kind))
)

select anchor, record_key
from linking
where record_key <> anchor
union all
select record_key as anchor, other_record_key as record_key
from decided_pairs
semi join among_records using (record_key)
where action = 'join';
