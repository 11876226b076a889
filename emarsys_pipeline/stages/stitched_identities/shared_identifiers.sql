-- Reads record_identifiers, blocked_identifiers and released_identifiers; makes shared_identifiers, one
-- row per identifier that several records hold. An identifier that is blocked, or held by more than
-- max_records, links nobody; a released one always links.
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
    released.value is not null as is_released,
    released.value is not null
        or (blocked.value is null and held.records <= $max_records) as is_link
from held
left join blocked_identifiers as blocked using (kind, value)
left join released_identifiers as released using (kind, value);
