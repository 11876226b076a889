-- Reads reopening_records, changed_records, erased_members, looked_up_members and identity_members; makes
-- members_around, one row per member, as it was in the window before, of the components that are stitched
-- again and of those of changed or erased records; and narrowed_keys, one row per record that is stitched
-- again: those of these components, and the new ones.
create temp table reopening_components as
select distinct coalesce(component_id, identity_id) as component_id
from looked_up_members
semi join reopening_records using (source, account, contact_id);

create temp table members_around as
select members.rowid as member_key, members.*
from identity_members as members
where
    coalesce(members.component_id, members.identity_id) in (
        select component_id
        from reopening_components
        union all
        select coalesce(looked_up.component_id, looked_up.identity_id)
        from looked_up_members as looked_up
        semi join (
            select source, account, contact_id from changed_records
            union all
            select source, account, member_id as contact_id from erased_members
        ) as touched using (source, account, contact_id)
    );

create temp table narrowed_keys as
select source, account, contact_id from reopening_records
union all
select source, account, contact_id
from members_around
where coalesce(component_id, identity_id) in (select found.component_id from reopening_components as found);
