-- Reads: delivered (changed contacts of the account), members, previous. Writes: labelled, one
-- row per changed contact that is and was in the segment and has one row, or several equal ones.
create or replace table labelled as
with changed as (
    select distinct user_id as contact_id, * exclude (user_id)
    from delivered
)

select *
from changed
semi join members using (contact_id)
semi join previous using (contact_id)
qualify count(*) over (partition by contact_id) = 1
