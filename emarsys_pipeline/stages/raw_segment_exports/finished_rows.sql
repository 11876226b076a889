-- Reads: a Parquet file with the finished rows of one segment. Gives: rows of
-- raw_segment_exports.
select
    $account as account,
    $segment_id as segment_id,
    $window_start as window_start,
    *
from read_parquet($path)
