-- Reads identity_members; makes touched, one row per identity, all of them new in the window.
create temp table touched as
select
    identity_id,
    any_value($window_start::timestamptz) as window_start,
    count(*) > 1 as is_several
from identity_members
group by identity_id;
