-- Reads: raw_segment_exports, written_choices. Adds to the temporary table chosen_lists one row per
-- text that a multi choice field holds in the partition: the choices that it lists, by id. Lists
-- with a choice that the field does not have are left out. An empty text stands for no choice.
insert into chosen_lists
with texts as (
    select distinct {{ column }} as written
    from raw_segment_exports
    where account = $account
        and segment_id = $segment_id
        and window_start = $window_start
        and {{ column }} <> ''
),

items as (
    select distinct written, trim(unnest(string_split(written, ','))) as choice_id
    from texts
),

known as (
    select items.written, items.choice_id, choices.label
    from items
    left join written_choices as choices
        on choices.field_id = $field_id
        and choices.dialect = 'ids'
        and choices.written = items.choice_id
)

select
    $field_id as field_id,
    written,
    list(choice_id order by try_cast(choice_id as bigint), choice_id) as choice_ids,
    list(label order by try_cast(choice_id as bigint), choice_id) as labels
from known
group by written
having bool_and(label is not null)

union all

select $field_id as field_id, '' as written, null as choice_ids, null as labels
