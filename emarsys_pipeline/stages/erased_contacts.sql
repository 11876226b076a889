-- Reads mapped_values and erasure_tombstones; makes erased_contacts, one row per contact of an erased
-- person.
create or replace temp table erased_contacts as
with held as (
    select contact_id, 'emarsys' as kind, $account || chr(31) || contact_id as value
    from mapped_values
    union all
    select contact_id, 'phone' as kind, unnest(phone_numbers) as value
    from mapped_values
    union all
    select contact_id, 'email' as kind, unnest(email_addresses) as value
    from mapped_values
)

select distinct $account as account, held.contact_id
from held
inner join erasure_tombstones as tombstones
    on tombstones.kind = held.kind and tombstones.tombstone = tombstone_of(held.kind, held.value);
