-- Reads reopened_records and former_members; moves back to identity_members the newest assignment
-- of each record that is left.
create temp table reinstated_members as
select source, account, contact_id, max(window_start) as window_start
from former_members
semi join reopened_records using (source, account, contact_id)
group by source, account, contact_id;

insert into identity_members by name
select former.*
from former_members as former
semi join reinstated_members using (source, account, contact_id, window_start);

delete from former_members
where rowid in (
    select former.rowid
    from former_members as former
    semi join reinstated_members using (source, account, contact_id, window_start)
);

drop table temp.reopened_records;

drop table temp.reinstated_members;
