-- Reads changed_members, members_now, narrowed_pairs, pair_changes, settled_identifiers, former_identities,
-- shared_identities, identity_events and the stitch before; writes identity_stitches, one row for the
-- window, as identity_stitches.sql does from all records: what was counted before, less what the window
-- changed, and that counted anew.
insert into identity_stitches by name
with before as (
    select * from identity_stitches where window_start = $after
),

assigned as (
    select identity_id, former_identity_id from changed_members where is_assigned
),

moves as (
    select identity_id, 1 as gained from assigned
    union all
    select former_identity_id as identity_id, -1 as gained
    from assigned
    where former_identity_id is not null
),

gains as (
    select identity_id, sum(gained) as gained from moves group by identity_id
),

present as (
    select identity_id, count(*) as records
    from members_now
    where identity_id in (select gains.identity_id from gains)
    group by identity_id
),

sizes as (
    select
        coalesce(present.records, 0) as records,
        coalesce(present.records, 0) - gains.gained as former_records
    from gains
    left join present using (identity_id)
),

changes as (
    select
        count(*) filter (records > 0) - count(*) filter (former_records > 0) as identities,
        coalesce(max(records), 0) as largest,
        coalesce(max(former_records), 0) as former_largest
    from sizes
),

former_pairs as (
    select source, account, contact_id, kind, value
    from narrowed_pairs
    anti join (
        select * from pair_changes where is_added
    ) as added using (source, account, contact_id, kind, value)
    union all
    select source, account, contact_id, kind, value
    from pair_changes
    anti join settled_identifiers using (kind, value)
    where not is_added
),

formerly_several as (
    select kind, value
    from former_pairs
    inner join former_identities using (source, account, contact_id)
    group by kind, value
    having min(identity_id) <> max(identity_id)
),

-- Only when the largest identity became smaller must all be looked at.
recounted as (
    select max(records) as largest
    from (
        select count(*) as records
        from identity_members
        where (
            select changes.largest < before.largest and changes.former_largest = before.largest
            from changes cross join before
        )
        group by identity_id
    )
)

select
    $window_start::timestamptz as window_start,
    (select count(*) from identity_members) as records,
    before.identities + changes.identities as identities,
    (select count(*) from identity_members where window_start = $window_start) as assigned,
    (
        select count(*) from identity_events
        where event = 'merge' and window_start = $window_start
    ) as merges,
    (
        select count(*) from identity_events
        where event = 'split' and window_start = $window_start
    ) as splits,
    before.quarantined
    - (select count(*) from formerly_several)
    + (select count(*) from shared_identities where stands_for_several) as quarantined,
    coalesce(recounted.largest, greatest(before.largest, changes.largest)) as largest,
    $run_id as run_id,
    $guards as guards,
    $inputs as inputs
from before
cross join changes
cross join recounted;
