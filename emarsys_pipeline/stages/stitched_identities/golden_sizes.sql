-- Reads touched and identity_members; makes touched_several and touched_alone, one row per touched
-- identity of several members, and of one.
create temp table touched_several as
select touched.identity_id, touched.window_start
from touched
semi join (
    select identity_id
    from identity_members
    group by identity_id
    having count(*) > 1
) as several using (identity_id);

create temp table touched_alone as
select touched.identity_id, touched.window_start
from touched
anti join touched_several using (identity_id);
