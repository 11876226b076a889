-- Reads assignments and the stored rows of the window; gives one row: how many rows differ.
with derived as (
    select source, account, contact_id, identity_id, previous_identity_id from assignments
),

stored as (
    select source, account, contact_id, identity_id, previous_identity_id
    from stitched_identities
    where window_start = $window_start
)

select
    (select count(*) from (from derived except from stored))
    + (select count(*) from (from stored except from derived)) as differences;
