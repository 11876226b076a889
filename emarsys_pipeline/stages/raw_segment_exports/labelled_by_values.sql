-- Reads: delivered (rows of an export without contact ids), looked_up (contacts with their
-- identifying values). Writes: labelled, one row per contact whose identifying values, not all
-- empty, are held by no other contact and by exactly one row.
create or replace table labelled as
with contact_keys as (
    select row({{ key }}) as identifying, min(contact_id) as contact_id
    from looked_up
    where coalesce({{ key }}) is not null
    group by identifying
    having count(*) = 1
),

row_keys as (
    select row({{ key }}) as identifying, min(rowid) as delivered_row
    from delivered
    where coalesce({{ key }}) is not null
    group by identifying
    having count(*) = 1
)

select contact_keys.contact_id, delivered.*
from contact_keys
join row_keys on contact_keys.identifying = row_keys.identifying
join delivered on row_keys.delivered_row = delivered.rowid
