-- Reads assigned_records; writes identity_members, one row per record, while it is empty.
insert into identity_members by name
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
