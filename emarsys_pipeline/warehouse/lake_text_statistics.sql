-- one row per text of the newest snapshot's tables that has a greatest value: its table, and the
-- columns from the table's own down to the text, as it may be inside lists and structs
with recursive paths as (
    select
        columns.table_id,
        columns.column_id,
        columns.column_type,
        array[columns.column_name::text] as names,
        array[columns.column_type::text] as kinds
    from {{ schema }}.ducklake_column as columns
    where columns.parent_column is null and columns.end_snapshot is null
    union all
    select
        columns.table_id,
        columns.column_id,
        columns.column_type,
        paths.names || columns.column_name::text,
        paths.kinds || columns.column_type::text
    from paths
    inner join {{ schema }}.ducklake_column as columns
        on columns.table_id = paths.table_id
        and columns.parent_column = paths.column_id
        and columns.end_snapshot is null
)

select
    tables.table_id, schemas.schema_name, tables.table_name, paths.column_id, paths.names, paths.kinds
from {{ schema }}.ducklake_table_column_stats as statistics
inner join {{ schema }}.ducklake_table as tables
    on tables.table_id = statistics.table_id and tables.end_snapshot is null
inner join {{ schema }}.ducklake_schema as schemas
    on schemas.schema_id = tables.schema_id and schemas.end_snapshot is null
inner join paths
    on paths.table_id = statistics.table_id
    and paths.column_id = statistics.column_id
    and paths.column_type = 'varchar'
where statistics.max_value is not null
order by tables.table_id, paths.column_id
