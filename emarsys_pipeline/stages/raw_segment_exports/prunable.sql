-- Reads: segment_imports, raw_segment_exports. Gives: one row per segment of the account that has raw
-- rows older than its $keep_windows newest landed windows and older than a full import among or
-- before these, which stays: the window from which rows are kept, and what goes.
with landed as (
    select
        segment_id,
        window_start,
        mode,
        row_number() over (partition by segment_id order by window_start desc) as place
    from segment_imports
    where account = $account and mode <> 'superseded'
),

limits as (
    select segment_id, max(window_start) as kept_from
    from landed
    where mode = 'full' and place >= $keep_windows
    group by segment_id
)

select
    limits.segment_id,
    limits.kept_from,
    count(distinct raw.window_start) as partitions,
    count(*) as rows_pruned
from limits
join raw_segment_exports as raw
    on raw.account = $account
    and raw.segment_id = limits.segment_id
    and raw.window_start < limits.kept_from
group by limits.segment_id, limits.kept_from
order by limits.segment_id
