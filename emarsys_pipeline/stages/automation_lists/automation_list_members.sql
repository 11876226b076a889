-- Reads members; writes automation_list_members, one row per contact of a list, but
-- nobody who was erased.
insert into automation_list_members by name
select distinct
    $window_start::timestamptz as window_start,
    $account as account,
    $message_id as message_id,
    contact_id
from members
where {{ is_kept }};
