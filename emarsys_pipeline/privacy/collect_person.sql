-- Reads named_identities, loose_contacts and all tables with contacts or identifiers; makes what the
-- conditions of the holdings read. An identifier that a contact of somebody else holds as well is
-- not the person's own: it is in shared_identifiers, and stays.
create or replace temp table erasing_identities as
select identity_id from named_identities
union
select aliases.retired_identity_id as identity_id
from identity_aliases as aliases
where aliases.identity_id in (select named.identity_id from named_identities as named);

create or replace temp table erasing_contacts as
select source, account, contact_id
from identity_members
where
    identity_id in (select named.identity_id from named_identities as named)
    and not starts_with(contact_id, 'erased-')
union
select source, account, contact_id from loose_contacts;

create or replace temp table held_identifiers as
with contacts as (
    select account, contact_id, phone_numbers, email_addresses from current_contacts
    union all
    select account, contact_id, phone_numbers, email_addresses from mapped_contacts
)

select
    'emarsys' as source,
    account,
    contact_id,
    'phone' as kind,
    unnest(phone_numbers) as value
from contacts
union
select
    'emarsys' as source,
    account,
    contact_id,
    'email' as kind,
    unnest(email_addresses) as value
from contacts
union
select
    'platform' as source, '' as account, platform_contact_id as contact_id, 'phone' as kind,
    phone_number as value
from platform_contacts
where phone_number is not null
union
select
    'platform' as source, '' as account, platform_contact_id as contact_id, 'email' as kind,
    email_address as value
from platform_contacts
where email_address is not null;

create or replace temp table persons_identifiers as
select held.kind, held.value
from held_identifiers as held
inner join erasing_contacts using (source, account, contact_id)
union
select 'phone' as kind, unnest($phone_numbers::varchar[]) as value
union
select 'email' as kind, $email_address as value
where $email_address <> '';

create or replace temp table shared_identifiers as
select distinct held.kind, held.value
from held_identifiers as held
inner join persons_identifiers using (kind, value)
anti join erasing_contacts using (source, account, contact_id);

create or replace temp table erasing_identifiers as
from persons_identifiers
anti join shared_identifiers using (kind, value);

create or replace temp table erasing_events as
select distinct event_id
from consent_events
where
    platform_contact_id in (
        select people.contact_id
        from erasing_contacts as people
        where people.source = 'platform'
    )
    or phone_number in (
        select people.value
        from erasing_identifiers as people
        where people.kind = 'phone'
    )
    or email_address in (
        select people.value
        from erasing_identifiers as people
        where people.kind = 'email'
    );
