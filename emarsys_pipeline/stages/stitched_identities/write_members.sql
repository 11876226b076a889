-- Reads changed_members; writes identity_members, and to former_members what a new assignment
-- replaces. A record whose identity stays keeps the window and the run that assigned it.
insert into former_members by name
select
    former_window_start as window_start,
    source,
    account,
    contact_id,
    former_identity_id as identity_id,
    former_previous_identity_id as previous_identity_id,
    former_first_window_start as first_window_start,
    former_run_id as run_id
from changed_members
where is_assigned and member_key is not null;

delete from identity_members
where rowid in (
    select changed.member_key from changed_members as changed where changed.member_key is not null
);

insert into identity_members by name
select
    identity_id,
    source,
    account,
    contact_id,
    first_window_start,
    case when is_assigned then $window_start::timestamptz else former_window_start end
        as window_start,
    case when is_assigned then former_identity_id else former_previous_identity_id end
        as previous_identity_id,
    component_id,
    case when is_assigned then $run_id else former_run_id end as run_id
from changed_members;
