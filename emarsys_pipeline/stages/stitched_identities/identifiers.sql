-- Reads records; makes record_identifiers, one row per record and identifier.
create temp table record_identifiers as
select
    records.rowid as record_key,
    'phone' as kind,
    unnest(
        case
            when len(phone_numbers) > 1 then list_distinct(phone_numbers) else phone_numbers
        end
    ) as value
from records
union all
select
    records.rowid as record_key,
    'email' as kind,
    unnest(
        case
            when len(email_addresses) > 1 then list_distinct(email_addresses) else email_addresses
        end
    ) as value
from records;
