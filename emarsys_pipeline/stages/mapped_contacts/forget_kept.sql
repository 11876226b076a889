-- Deletes from {{ table }} what the kept raw rows of the account will give again: the rows of segments
-- that have landed, from the window on from which their raw rows are kept.
delete from {{ table }}
where account = $account
    and exists (
        select 1
        from segment_imports as imports
        where imports.account = {{ table }}.account and imports.segment_id = {{ table }}.segment_id
    )
    and window_start >= coalesce(
        (
            select max(kept_from)
            from raw_prunings
            where raw_prunings.account = {{ table }}.account
                and raw_prunings.segment_id = {{ table }}.segment_id
        ),
        '-infinity'::timestamptz
    )
