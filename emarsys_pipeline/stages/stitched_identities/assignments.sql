-- Reads identity_map and previous_map; makes assignments, one row per record whose identity is new
-- or another than in the window before.
create temp table assignments as
select
    $window_start::timestamptz as window_start,
    identity_map.source,
    identity_map.account,
    identity_map.contact_id,
    identity_map.identity_id,
    previous_map.identity_id as previous_identity_id,
    $run_id as run_id
from identity_map
left join previous_map using (source, account, contact_id)
where previous_map.identity_id is distinct from identity_map.identity_id;
