-- Reads read_back and opt_in_readings; writes opt_in_readings, one row per contact that was read.
insert into opt_in_readings by name
select
    $account as account,
    contact_id,
    $window_start::timestamptz as window_start,
    $field_id as field_id,
    nullif(value, '') as value,
    $found_at::timestamptz as requested_at
from read_back;
