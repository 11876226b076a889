-- Reads emarsys_fields; gives one row: whether the account has been imported, and the id and type
-- of the field meant, by id, then string id, then name (the smallest id when names repeat).
with catalogue as (
    select *
    from emarsys_fields
    where
        account = $account
        and window_start = (
            select max(newest.window_start)
            from emarsys_fields as newest
            where newest.account = $account
        )
),

named as (
    select
        field_id,
        application_type,
        row_number() over (
            order by
                field_id = $field desc,
                lower(string_id) = lower($field) desc nulls last,
                try_cast(field_id as bigint),
                field_id
        ) as preference
    from catalogue
    where
        field_id = $field
        or lower(string_id) = lower($field)
        or lower(name) = lower($field)
)

select
    exists (select 1 from catalogue) as is_imported,
    (select field_id from named where preference = 1) as field_id,
    (select application_type from named where preference = 1) as application_type;
