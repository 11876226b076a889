-- Reads pair_changes, quarantined_links, settled_identifiers and held_identifiers; makes looked_up_holders,
-- one row per holder of an identifier whose holders changed, or that links nobody and is not settled: of all
-- that link, the holders are in one component. One kind after the other, so that the values alone are
-- compared.
create temp table looked_up_holders as
with looked_for as (
    select kind, value
    from pair_changes
    anti join settled_identifiers using (kind, value)
    union all
    select kind, value
    from quarantined_links
    anti join settled_identifiers using (kind, value)
    where contact_id is null and reason <> $too_large
)

select record_key, source, account, contact_id, kind, value
from held_identifiers
semi join (select value from looked_for where kind = 'phone') as numbers using (value)
where kind = 'phone'
union all
select record_key, source, account, contact_id, kind, value
from held_identifiers
semi join (select value from looked_for where kind = 'email') as addresses using (value)
where kind = 'email';
