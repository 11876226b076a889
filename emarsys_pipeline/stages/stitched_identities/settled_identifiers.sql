-- Reads quarantined_links, pair_changes and active_decisions; makes settled_identifiers, one row per
-- identifier that links nobody now as before, and stands for several identities whatever the window brings:
-- its holders are the same, and more than an identity may have. Only decisions make larger ones.
create temp table settled_identifiers as
select kind, value
from quarantined_links
anti join pair_changes using (kind, value)
where
    contact_id is null
    and reason <> $too_large
    and records > $max_records
    and not exists (
        select 1 from active_decisions where action in ('join', 'release')
    );
