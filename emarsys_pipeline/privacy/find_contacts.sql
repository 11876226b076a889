-- Reads identity_members, identity_aliases, identity_identifiers, current_contacts,
-- raw_segment_exports and platform_contacts; makes named_identities, one row per identity that the
-- name stands for, and loose_contacts, the contacts that it stands for in no identity yet.
create or replace temp table named_identities as
select identity_id from identity_members where identity_id = $name
union
select identity_id from identity_aliases where retired_identity_id = $name
union
select identity_id from identity_members where contact_id = $name
union
select identity_id
from identity_identifiers
where
    (kind = 'phone' and list_contains($phone_numbers::varchar[], value))
    or (kind = 'email' and value = $email_address);

create or replace temp table loose_contacts as
with found as (
    select 'emarsys' as source, account, contact_id
    from raw_segment_exports
    where contact_id = $name
    union
    select 'emarsys' as source, account, contact_id
    from current_contacts
    where
        contact_id = $name
        or list_has_any(phone_numbers, $phone_numbers::varchar[])
        or list_contains(email_addresses, $email_address)
    union
    select 'platform' as source, '' as account, platform_contact_id as contact_id
    from platform_contacts
    where
        platform_contact_id = $name
        or list_contains($phone_numbers::varchar[], phone_number)
        or email_address = $email_address
)

select found.*
from found
anti join identity_members as members
    on
        members.source = found.source
        and members.account = found.account
        and members.contact_id = found.contact_id;
