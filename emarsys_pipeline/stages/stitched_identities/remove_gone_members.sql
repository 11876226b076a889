-- Reads assigned_records and identity_members; moves to former_members those members that are no record any
-- more, since their import was replaced by one without them.
create temp table gone_members as
select members.rowid as member_key, members.*
from identity_members as members
anti join assigned_records using (source, account, contact_id);

insert into former_members by name
select * exclude (member_key, component_id)
from gone_members;

delete from identity_members
where rowid in (select gone.member_key from gone_members as gone);

drop table temp.gone_members;
