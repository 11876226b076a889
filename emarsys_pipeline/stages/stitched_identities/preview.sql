-- Reads identities_before and identities_after; gives one row per pair of identities between which
-- records would move, the most records first.
with moved as (
    select
        before.identity_id,
        after.identity_id as other_identity_id,
        count(*) as records
    from identities_before as before
    inner join identities_after as after using (source, account, contact_id)
    where before.identity_id <> after.identity_id
    group by before.identity_id, after.identity_id
),

sizes_before as (
    select identity_id, count(*) as records from identities_before group by identity_id
),

sizes_after as (
    select identity_id, count(*) as records from identities_after group by identity_id
)

select
    case when staying.identity_id is null then 'merge' else 'split' end as event,
    moved.identity_id,
    moved.other_identity_id,
    moved.records,
    sizes_before.records as size_before,
    sizes_after.records as size_after
from moved
inner join sizes_before using (identity_id)
inner join sizes_after on sizes_after.identity_id = moved.other_identity_id
left join sizes_after as staying on staying.identity_id = moved.identity_id
order by moved.records desc, moved.identity_id, moved.other_identity_id;
