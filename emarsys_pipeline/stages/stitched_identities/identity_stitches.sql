-- Reads the tables of this stitch; writes identity_stitches, one row for the window.
insert into identity_stitches by name
with sizes as (
    select component, count(*) as records
    from linked_records
    group by component
),

-- An erased contact may be the last of its identity, or make it larger.
with_erased as (
    select
        members.identity_id,
        count(*) as records,
        count(erased.contact_id) as erased_records
    from identity_members as members
    left join erased_records as erased using (source, account, contact_id)
    where members.identity_id in (select found.identity_id from erased_records as found)
    group by members.identity_id
),

counted as (
    select
        (select count(*) from records) as records,
        (select count(*) from linked_records) as linked,
        (select count(*) from sizes) as components,
        coalesce((select max(records) from sizes), 0) as largest,
        (select count(*) from erased_records) as erased,
        (select count(*) from with_erased where records = erased_records) as erased_identities,
        coalesce((select max(records) from with_erased), 0) as largest_with_erased
)

select
    $window_start::timestamptz as window_start,
    counted.records + counted.erased as records,
    counted.records - counted.linked + counted.components + counted.erased_identities
        as identities,
    (select count(*) from identity_members where window_start = $window_start) as assigned,
    (
        select count(*) from identity_events
        where event = 'merge' and window_start = $window_start
    ) as merges,
    (
        select count(*) from identity_events
        where event = 'split' and window_start = $window_start
    ) as splits,
    (select count(*) from shared_identities where stands_for_several) as quarantined,
    greatest(counted.largest, counted.largest_with_erased, least(counted.records, 1)) as largest,
    $run_id as run_id,
    $guards as guards,
    $inputs as inputs
from counted;
