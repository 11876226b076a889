-- Reads the curated list, the settings and active_decisions; makes blocked_identifiers, one row per
-- value that links nobody, and released_identifiers, one per value that no guard holds back. A
-- decision goes before the lists.
create temp table released_identifiers as
select kind, value, decision_id
from active_decisions
where action = 'release';

create temp table blocked_identifiers as
with listed as (
    select kind, value
    from read_csv($path, header = true, all_varchar = true)
    where $block_placeholders
    union
    select case when contains(value, '@') then 'email' else 'phone' end as kind, value
    from (select unnest($configured::varchar[]) as value)
)

select
    listed.kind,
    listed.value,
    'blocked value' as reason,
    null::varchar as decision_id
from listed
anti join active_decisions as decisions using (kind, value)
union all
select
    kind,
    value,
    case action when 'block' then 'blocked by a decision' else 'confirmed by a decision' end
        as reason,
    decision_id
from active_decisions
where action in ('block', 'confirm') and contact_id is null;
