-- Reads changed_records, changed_members, former_identifiers, held_identifiers, identity_members,
-- blocked_identifiers and released_identifiers; writes the rows of identity_identifiers of those identifiers whose holders,
-- or whose holders' identities, are not what they were.
create temp table affected_identifiers as
with affected_records as (
    select source, account, contact_id from changed_records
    union
    select source, account, contact_id from changed_members
)

select kind, value from former_identifiers
union
select kind, value
from held_identifiers
semi join affected_records using (source, account, contact_id);

delete from identity_identifiers
where rowid in (
    select found.rowid
    from identity_identifiers as found
    semi join affected_identifiers as affected using (kind, value)
);

insert into identity_identifiers by name
with held as (
    select source, account, contact_id, kind, value
    from held_identifiers
    semi join affected_identifiers using (kind, value)
)

select min(members.identity_id) as identity_id, held.kind, held.value
from held
inner join identity_members as members using (source, account, contact_id)
left join released_identifiers as released on released.kind = held.kind and released.value = held.value
anti join blocked_identifiers as blocked on blocked.kind = held.kind and blocked.value = held.value
group by held.kind, held.value
having
    min(members.identity_id) = max(members.identity_id)
    and (count(*) <= $max_records or count(released.value) > 0);
