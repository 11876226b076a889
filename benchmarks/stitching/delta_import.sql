-- Writes segment_imports, one row: that a segment's rows have landed.
insert into segment_imports by name
select
    $account as account,
    $segment_id as segment_id,
    $window_start::timestamptz as window_start,
    'full' as mode,
    $end::timestamptz as requested_at,
    $end::timestamptz as landed_at,
    0 as members,
    0 as rows_delivered,
    0 as entered,
    0 as departed,
    0 as changed,
    []::varchar[] as export_ids,
    0 as api_calls,
    0 as bytes_downloaded,
    0 as seconds,
    'run' as run_id;
