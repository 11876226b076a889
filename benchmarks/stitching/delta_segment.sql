-- Gives the rows that an import of one segment in one window stores, from a CSV of Emarsys.
select
    'shop' as account,
    $segment_id as segment_id,
    $start::timestamptz as window_start,
    contact_id,
    $kind as kind,
    'labels' as dialect,
    $end::timestamptz as requested_at,
    'export' as export_id,
    * exclude (contact_id)
from read_csv($path, header = true, all_varchar = true, nullstr = '')
