-- Reads looked_up_holders, pair_changes, changed_records, released_identifiers, blocked_identifiers,
-- active_decisions, erased_members and identity_members; makes two tables. looked_up_members has one row
-- per member that may matter: a record that changed, was erased, that somebody decided about, or that is
-- among looked_up_holders. reopening_records has one row per record whose component is to be stitched
-- again: it is new or holds other identifiers, holds an identifier whose holders changed and which links or
-- did in the window before, or somebody decided about it.
create temp table touched_holders as
select holders.*
from looked_up_holders as holders
semi join pair_changes as touched on touched.kind = holders.kind and touched.value = holders.value;

create temp table decided_records as
select source, account, contact_id
from active_decisions
where contact_id is not null
union
select other_source as source, other_account as account, other_contact_id as contact_id
from active_decisions
where other_contact_id is not null;

create temp table looked_up_members as
select
    members.rowid as member_key,
    members.source,
    members.account,
    members.contact_id,
    members.identity_id,
    members.component_id
from identity_members as members
semi join (
    select source, account, contact_id from changed_records
    union all
    select source, account, contact_id from pair_changes
    union all
    select source, account, contact_id from looked_up_holders
    union all
    select source, account, contact_id from decided_records
    union all
    select source, account, member_id as contact_id from erased_members
) as looked_for using (source, account, contact_id);

create temp table reopening_records as
with present as (
    select kind, value, count(*) as records
    from touched_holders
    group by kind, value
),

gains as (
    select kind, value, sum(case when is_added then 1 else -1 end) as gained
    from pair_changes
    group by kind, value
),

linking as (
    select gains.kind, gains.value
    from gains
    left join present using (kind, value)
    left join released_identifiers as released using (kind, value)
    left join blocked_identifiers as blocked using (kind, value)
    where
        released.value is not null
        or (
            blocked.value is null
            and least(
                coalesce(present.records, 0), coalesce(present.records, 0) - gains.gained
            ) <= $max_records
        )
)

select source, account, contact_id from pair_changes
union
select source, account, contact_id
from touched_holders
semi join linking using (kind, value)
union
select source, account, contact_id
from changed_records
anti join looked_up_members using (source, account, contact_id)
union
select source, account, contact_id from decided_records;
