-- Reads assigned_records and stitched_identities; gives one row: how many of the rows that the window
-- would have now differ from those that are stored.
with before as (
    select source, account, contact_id, arg_max(identity_id, window_start) as identity_id
    from stitched_identities
    where window_start < $window_start
    group by source, account, contact_id
),

derived as (
    select
        map.source,
        map.account,
        map.contact_id,
        map.identity_id,
        before.identity_id as previous_identity_id
    from assigned_records as map
    left join before using (source, account, contact_id)
    where before.identity_id is distinct from map.identity_id
),

stored as (
    select source, account, contact_id, identity_id, previous_identity_id
    from stitched_identities
    where window_start = $window_start
)

select
    (select count(*) from (from derived except from stored))
    + (select count(*) from (from stored except from derived)) as differences;
