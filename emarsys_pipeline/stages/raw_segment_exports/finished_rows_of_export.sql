-- Reads: a Parquet file with the finished rows of one segment, in which those that came with its
-- export have no values; and the export, which has them. Gives: rows of raw_segment_exports.
with finished as (
    select *, kind = 'member' and export_id is not null as is_exported
    from read_parquet($path)
),

export as (
    select
        any_value(kind) as kind,
        any_value(dialect) as dialect,
        any_value(requested_at) as requested_at,
        any_value(export_id) as export_id
    from finished
    where is_exported
)

select
    $account as account,
    $segment_id as segment_id,
    $window_start as window_start,
    rows.*
from (
    select delivered.user_id as contact_id, export.*, delivered.* exclude (user_id)
    from ({{ exported }}) as delivered
    cross join export

    union all by name

    select * exclude (is_exported)
    from finished
    where not is_exported
) as rows
