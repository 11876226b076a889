-- Reads changed_members, {{ members }}, linked_records, records, record_identifiers,
-- shared_identifiers, held_identifiers, former_identifiers and changed_records; writes
-- identity_events, one row per pair of identities between which records moved: a merge when the
-- identity they left has ended, else a split.
--
-- The evidence of a merge: linking identifiers of the identity whose holders were of different
-- identities before, or new. That of a split: identifiers of the identity that was left whose
-- holders were one identity and are several. At most ten, by kind and value.
insert into identity_events by name
with moved as (
    select
        changed.former_identity_id as identity_id,
        changed.identity_id as other_identity_id,
        count(*) as records
    from changed_members as changed
    where changed.is_assigned and changed.former_identity_id is not null
    group by changed.former_identity_id, changed.identity_id
),

staying_members as materialized (
    select members.source, members.account, members.contact_id, members.identity_id
    from {{ members }} as members
    semi join moved on moved.identity_id = members.identity_id
),

staying as (
    select distinct identity_id from staying_members
),

joined_records as (
    select
        linked.record_key,
        linked.identity_id,
        case
            when changed.is_assigned then coalesce(changed.former_identity_id, '')
            else linked.identity_id
        end as former_identity_id
    from linked_records as linked
    semi join moved on moved.other_identity_id = linked.identity_id
    inner join records using (record_key)
    left join changed_members as changed using (source, account, contact_id)
),

joining as (
    select joined_records.identity_id, held.kind, held.value
    from joined_records
    inner join record_identifiers as held using (record_key)
    semi join (
        select kind, value from shared_identifiers where is_link
    ) as linking on linking.kind = held.kind and linking.value = held.value
    group by joined_records.identity_id, held.kind, held.value
    having count(distinct joined_records.former_identity_id) > 1
),

parted_records as (
    select source, account, contact_id, former_identity_id, identity_id
    from changed_members
    where is_assigned and former_identity_id in (select staying.identity_id from staying)
    union all
    select source, account, contact_id, identity_id as former_identity_id, identity_id
    from staying_members
    anti join (
        select source, account, contact_id from changed_members where is_assigned
    ) as assigned using (source, account, contact_id)
),

held_before as (
    select parted.former_identity_id, parted.identity_id, held.kind, held.value
    from parted_records as parted
    inner join former_identifiers as held using (source, account, contact_id)
    union all
    select parted.former_identity_id, parted.identity_id, held.kind, held.value
    from held_identifiers as held
    inner join parted_records as parted using (source, account, contact_id)
    anti join changed_records using (source, account, contact_id)
),

parting as (
    select former_identity_id as identity_id, kind, value
    from held_before
    group by former_identity_id, kind, value
    having count(distinct held_before.identity_id) > 1
),

evidence_of_merges as (
    select
        identity_id,
        list(struct_pack(kind := kind, value := value) order by kind, value)[:10] as evidence
    from joining
    group by identity_id
),

evidence_of_splits as (
    select
        identity_id,
        list(struct_pack(kind := kind, value := value) order by kind, value)[:10] as evidence
    from parting
    group by identity_id
)

select
    $window_start::timestamptz as window_start,
    case when staying.identity_id is null then 'merge' else 'split' end as event,
    moved.identity_id,
    moved.other_identity_id,
    moved.records,
    coalesce(
        case
            when staying.identity_id is null then evidence_of_merges.evidence
            else evidence_of_splits.evidence
        end,
        []
    ) as evidence
from moved
left join staying using (identity_id)
left join evidence_of_merges on evidence_of_merges.identity_id = moved.other_identity_id
left join evidence_of_splits on evidence_of_splits.identity_id = moved.identity_id;
