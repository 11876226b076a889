-- Reads records and blocked_identifiers; makes record_identifiers, one row per record and
-- identifier, and shared_identifiers, one row per identifier that several records hold. An
-- identifier that is blocked, or held by more than max_records, links nobody.
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

create temp table shared_identifiers as
with held as (
    select kind, value, count(*) as records, min(record_key) as anchor
    from record_identifiers
    group by kind, value
    having count(*) > 1
)

select
    held.*,
    blocked.value is not null as is_blocked,
    blocked.value is null and held.records <= $max_records as is_link
from held
left join blocked_identifiers as blocked using (value);
