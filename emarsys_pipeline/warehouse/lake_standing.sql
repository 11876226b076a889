-- Reads: the catalogue of a lake, in PostgreSQL. Writes: nothing.
-- One row: what the newest snapshot consists of, and what is stored in all.
select
    (select count(*) from {{ schema }}.ducklake_snapshot) as snapshots,
    (select count(*) from {{ schema }}.ducklake_data_file where end_snapshot is null) as files,
    (
        select coalesce(sum(file_size_bytes), 0)::bigint
        from {{ schema }}.ducklake_data_file where end_snapshot is null
    ) as bytes,
    (select count(*) from {{ schema }}.ducklake_data_file)
        + (select count(*) from {{ schema }}.ducklake_delete_file)
        + (select count(*) from {{ schema }}.ducklake_files_scheduled_for_deletion) as stored_files
