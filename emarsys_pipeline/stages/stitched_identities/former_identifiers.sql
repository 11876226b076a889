-- Reads mapped_contacts, platform_contacts and changed_records; makes former_identifiers, one row
-- per changed record and identifier that it held at the end of the window stitched before.
create temp table former_identifiers as
with emarsys as (
    {{ emarsys_records }}
),

platform as (
    {{ platform_records }}
)

select distinct
    'emarsys' as source,
    account,
    contact_id,
    'phone' as kind,
    unnest(phone_numbers) as value
from emarsys
union
select distinct
    'emarsys' as source,
    account,
    contact_id,
    'email' as kind,
    unnest(email_addresses) as value
from emarsys
union
select 'platform' as source, '' as account, contact_id, 'phone' as kind, phone_number as value
from platform
where phone_number is not null
union
select 'platform' as source, '' as account, contact_id, 'email' as kind, email_address as value
from platform
where email_address is not null;
