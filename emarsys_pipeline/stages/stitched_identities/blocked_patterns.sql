-- Reads held_identifiers; adds to blocked_identifiers the values that match a configured pattern.
insert into blocked_identifiers by name
select distinct kind, value, 'blocked pattern' as reason
from held_identifiers
anti join blocked_identifiers using (kind, value)
anti join active_decisions as decisions using (kind, value)
where regexp_full_match(value, $pattern);
