-- Reads current_contacts and platform_contacts; makes floor_shared, one row per identifier that
-- several contacts hold: the identifiers unnested and aggregated, and nothing else.
create temp view floor_held as
select rowid as record_key, 'phone' as kind, unnest(phone_numbers) as value from current_contacts
union all
select rowid as record_key, 'email' as kind, unnest(email_addresses) as value
from current_contacts
union all
select -1 - rowid as record_key, 'phone' as kind, phone_number as value from platform_contacts
union all
select -1 - rowid as record_key, 'email' as kind, email_address as value from platform_contacts;

create temp table floor_shared as
select kind, value, count(*) as records, min(record_key) as anchor
from floor_held
where value is not null
group by kind, value
having count(*) > 1;
