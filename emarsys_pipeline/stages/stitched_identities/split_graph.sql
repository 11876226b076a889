-- Reads components, decided_pairs, record_identifiers, shared_identifiers and cut_links; gives one row
-- per record and identifier (or join, by the id of its decision) that links it inside a component
-- which holds both sides of a split.
with torn as (
    select distinct one.component
    from decided_pairs as pairs
    inner join components as one on one.record_key = pairs.record_key
    inner join components as other on other.record_key = pairs.other_record_key
    where pairs.action = 'split' and one.component = other.component
),

members as (
    select components.component, components.record_key
    from components
    semi join torn using (component)
),

held as (
    select
        members.component,
        held.record_key,
        held.kind,
        held.value,
        shared.records - (
            select count(*) from cut_links
            where cut_links.kind = held.kind and cut_links.value = held.value
        ) as holders,
        count(*) over (partition by members.component, held.kind, held.value) as holders_inside
    from members
    inner join record_identifiers as held using (record_key)
    inner join shared_identifiers as shared using (kind, value)
    anti join cut_links using (record_key, kind, value)
    where shared.is_link
)

select component, record_key, kind, value
from held
where holders_inside = holders
union all
select members.component, members.record_key, 'join' as kind, pairs.decision_id as value
from members
inner join decided_pairs as pairs
    on members.record_key = pairs.record_key or members.record_key = pairs.other_record_key
where pairs.action = 'join'
order by all;
