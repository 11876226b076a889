-- Reads narrowed_held_identifiers, held_identifiers, pair_changes, present_members and identity_members; makes
-- narrowed_pairs, one row per holder of an identifier of the narrowed records, or of one that they gave
-- up; of these record_identifiers, as identifiers.sql does of all; and former_identities. Then records
-- and held_identifiers are the narrowed ones.
create temp table narrowed_pairs as
select held.record_key, held.source, held.account, held.contact_id, held.kind, held.value
from held_identifiers as held
semi join (
    select kind, value from narrowed_held_identifiers
    union
    select kind, value from pair_changes
) as looked_at using (kind, value);

create temp table record_identifiers as
select record_key, kind, value
from narrowed_pairs
qualify count(*) over (partition by kind, value) > 1;

create temp table neighbours as
select distinct source, account, contact_id
from narrowed_pairs
anti join present_members using (source, account, contact_id);

create temp table former_identities as
select source, account, contact_id, identity_id
from present_members
union all
select source, account, contact_id, identity_id
from identity_members
semi join neighbours using (source, account, contact_id);

create or replace temp view emarsys_records as from narrowed_emarsys_records;

create or replace temp view platform_records as from narrowed_platform_records;
