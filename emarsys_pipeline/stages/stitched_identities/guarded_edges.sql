-- Reads among_records, record_identifiers, shared_identifiers, cut_links and decided_pairs; gives one
-- row per edge among these records, which are whole components: from the first record of an
-- identifier to another record that it still links.
with linking as (
    select
        held.record_key,
        min(held.record_key) over (partition by held.kind, held.value) as anchor
    from record_identifiers as held
    semi join among_records using (record_key)
    inner join shared_identifiers as shared using (kind, value)
    anti join cut_links using (record_key, kind, value)
    where
        shared.is_link
        and (
            shared.is_released
            or (shared.records <= $max_records and list_contains($kinds, shared.kind))
        )
)

select anchor, record_key
from linking
where record_key <> anchor
union all
select record_key as anchor, other_record_key as record_key
from decided_pairs
semi join among_records using (record_key)
where action = 'join';
