-- Reads the tables of this stitch; writes identity_stitches, one row for the window.
insert into identity_stitches by name
with sizes as (
    select identity_id, count(*) as records
    from identity_map
    group by identity_id
)

select
    $window_start::timestamptz as window_start,
    coalesce((select sum(records) from sizes), 0) as records,
    (select count(*) from sizes) as identities,
    (select count(*) from assignments) as assigned,
    (
        select count(*) from identity_events
        where event = 'merge' and window_start = $window_start
    ) as merges,
    (
        select count(*) from identity_events
        where event = 'split' and window_start = $window_start
    ) as splits,
    (select count(*) from shared_identities where stands_for_several) as quarantined,
    coalesce((select max(records) from sizes), 0) as largest,
    $run_id as run_id;
