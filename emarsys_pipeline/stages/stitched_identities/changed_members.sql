-- Reads assigned_records and the present members; makes changed_members, one row per record that is new or
-- whose assignment differs from the present one, with the present one. is_assigned: the identity is
-- another; else only what is known about the assignment.
create temp table changed_members as
select
    map.source,
    map.account,
    map.contact_id,
    map.first_window_start,
    map.identity_id,
    map.component_id,
    members.member_key,
    members.identity_id as former_identity_id,
    members.window_start as former_window_start,
    members.previous_identity_id as former_previous_identity_id,
    members.first_window_start as former_first_window_start,
    members.run_id as former_run_id,
    members.identity_id is distinct from map.identity_id as is_assigned
from assigned_records as map
left join {{ present_members }} as members using (source, account, contact_id)
where
    members.identity_id is distinct from map.identity_id
    or members.first_window_start is distinct from map.first_window_start
    or members.component_id is distinct from map.component_id;
