-- Reads identity_members and former_members; makes reopened_records, one row per record that was
-- assigned in the window or a later one.
create temp table reopened_records as
select source, account, contact_id
from identity_members
where window_start >= $window_start
union
select source, account, contact_id
from former_members
where window_start >= $window_start;
