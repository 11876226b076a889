-- Writes automation_lists, one row per call that named a list.
insert into automation_lists by name
select
    $window_start::timestamptz as window_start,
    $account as account,
    $message_id as message_id,
    $inbox_sequence as inbox_sequence,
    $received_at::timestamptz as received_at,
    $list_id as list_id,
    $state as state,
    $members as members,
    $reason as reason,
    $fetched_at::timestamptz as fetched_at,
    $run_id as run_id;
