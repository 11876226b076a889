-- Gives: the one row of segment_imports that records a landed import.
select
    $account as account,
    $segment_id as segment_id,
    $window_start as window_start,
    $mode as mode,
    $requested_at as requested_at,
    $landed_at as landed_at,
    $members as members,
    $rows_delivered as rows_delivered,
    $entered as entered,
    $departed as departed,
    $changed as changed,
    $export_ids::varchar[] as export_ids,
    $api_calls as api_calls,
    $bytes_downloaded as bytes_downloaded,
    $seconds as seconds,
    $run_id as run_id
