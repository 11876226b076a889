-- Reads active_decisions and records; adds to cut_links one row per contact and identifier that
-- somebody confirmed not to belong together.
insert into cut_links by name
select
    records.record_key,
    decisions.kind,
    decisions.value,
    'confirmed by a decision' as reason,
    decisions.decision_id
from active_decisions as decisions
inner join records using (source, account, contact_id)
where decisions.action = 'confirm';
