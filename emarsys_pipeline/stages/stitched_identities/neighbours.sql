-- Reads narrowed_pairs, records and former_identities; adds to components one row per neighbour, with
-- the smallest neighbour of the same identity.
insert into components by name
with apart as (
    select distinct pairs.record_key, former.identity_id
    from narrowed_pairs as pairs
    anti join records on records.record_key = pairs.record_key
    inner join former_identities as former using (source, account, contact_id)
)

select record_key, min(record_key) over (partition by identity_id) as component
from apart;
