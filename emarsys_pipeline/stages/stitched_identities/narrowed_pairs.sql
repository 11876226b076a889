-- Reads narrowed_held_identifiers, narrowed_records, settled_identifiers, looked_up_holders, pair_changes,
-- members_around and looked_up_members; makes narrowed_pairs, one row per holder of an identifier of the
-- narrowed records, or of one that they gave up; of these record_identifiers, as identifiers.sql does of
-- all; and former_identities, of these holders and all members_around. Then records and held_identifiers
-- are the narrowed ones.
create temp table narrowed_pairs as
with held as (
    select record_key, source, account, contact_id, kind, value
    from narrowed_held_identifiers
    anti join settled_identifiers using (kind, value)
)

from held
union all
select holders.record_key, holders.source, holders.account, holders.contact_id, holders.kind, holders.value
from looked_up_holders as holders
anti join narrowed_records using (record_key)
semi join (
    select kind, value from held
    union
    select kind, value from pair_changes
) as looked_at on looked_at.kind = holders.kind and looked_at.value = holders.value;

create temp table record_identifiers as
select record_key, kind, value
from narrowed_pairs
qualify count(*) over (partition by kind, value) > 1;

create temp table former_identities as
select source, account, contact_id, identity_id
from members_around
union all
select source, account, contact_id, identity_id
from looked_up_members
semi join narrowed_pairs using (source, account, contact_id)
anti join members_around using (member_key);

create or replace temp view emarsys_records as from narrowed_emarsys_records;

create or replace temp view platform_records as from narrowed_platform_records;
