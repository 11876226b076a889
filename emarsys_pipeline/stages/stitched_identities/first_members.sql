-- Reads assigned_records; writes identity_members, one row per record, while it is empty. They
-- come from a finished table for the reason that identity_identifiers.sql gives.
create temp table first_members as
select
    identity_id,
    source,
    account,
    contact_id,
    first_window_start,
    $window_start::timestamptz as window_start,
    component_id,
    $run_id as run_id
from assigned_records;
