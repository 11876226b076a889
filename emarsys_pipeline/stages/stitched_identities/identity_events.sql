-- Reads changed_members, present_identities and evidence; writes identity_events, one row per pair of
-- identities between which records moved: a merge when the identity they left has ended, else a
-- split.
insert into identity_events by name
select
    $window_start::timestamptz as window_start,
    case when count(present.identity_id) > 0 then 'split' else 'merge' end as event,
    changed.former_identity_id as identity_id,
    changed.identity_id as other_identity_id,
    count(*) as records
from changed_members as changed
left join (
    select distinct identity_id
    from identity_members
    semi join (
        select former_identity_id as identity_id from changed_members where is_assigned
    ) using (identity_id)
) as present on present.identity_id = changed.former_identity_id
where changed.is_assigned and changed.former_identity_id is not null
group by changed.former_identity_id, changed.identity_id;
