-- one row per pruning of a segment's raw rows: what went, and the window from which they are kept
create table raw_prunings (
    account varchar not null,
    segment_id varchar not null,
    kept_from timestamptz not null,
    partitions bigint not null,
    rows_pruned bigint not null,
    pruned_at timestamptz not null,
    run_id varchar not null
);
