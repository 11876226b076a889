-- Reads records and blocked_identifiers; makes record_identifiers, one row per record and
-- identifier, and shared_identifiers, one row per identifier that several records hold. An
-- identifier that is blocked, or held by more than max_records, links nobody.
create temp table record_identifiers as
select records.rowid as record_key, 'phone' as kind, phones.value
from records, unnest(list_distinct(records.phone_numbers)) as phones (value)
union all
select records.rowid as record_key, 'email' as kind, emails.value
from records, unnest(list_distinct(records.email_addresses)) as emails (value);

create temp table shared_identifiers as
select
    kind,
    value,
    count(*) as records,
    min(record_key) as anchor,
    value in (select blocked.value from blocked_identifiers as blocked) as is_blocked,
    count(*) <= $max_records and not is_blocked as is_link
from record_identifiers
group by kind, value
having count(*) > 1;
