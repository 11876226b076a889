-- Reads: country_regions, and emarsys_choices as of the newest window at or before $window_start.
-- Gives: a temporary table written_choices, one row per field, dialect and text that stands for a
-- choice: its id where getdata wrote it, its label where an export did. Two choices of a field with
-- one label cannot be told apart in an export: the smaller id is taken. Those of the country field
-- have the region of the country's phone numbers. An empty text stands for no choice.
create or replace temp table written_choices as
with choices as (
    select field_id, choice_id, label
    from emarsys_choices
    where account = $account
        and window_start = (
            select max(window_start)
            from emarsys_choices
            where account = $account and window_start <= $window_start
        )
),

written as (
    select field_id, 'ids' as dialect, choice_id as written, choice_id, label
    from choices

    union all

    select
        field_id,
        'labels' as dialect,
        label as written,
        first(choice_id order by try_cast(choice_id as bigint), choice_id) as choice_id,
        label
    from choices
    group by field_id, label
),

-- A left join hands on the rows without a match in batches of their own, and small batches make
-- all that follows dearer: so that a contact without a choice has a match, too.
matched as (
    select field_id, dialect, written, choice_id, label
    from written
    where written <> ''

    union all

    select distinct field_id, dialect, '' as written, null::varchar as choice_id, null as label
    from written
)

select matched.*, regions.region
from matched
left join country_regions as regions
    on matched.field_id = $country_field_id
    and regions.choice_id = matched.choice_id
