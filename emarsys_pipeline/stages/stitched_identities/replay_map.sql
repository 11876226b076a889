-- Reads stitched_identities; makes previous_map, the identity of each record just before a window.
create temp table previous_map as
select source, account, contact_id, arg_max(identity_id, window_start) as identity_id
from stitched_identities
where window_start < $window_start
group by source, account, contact_id;
