-- Reads active_decisions and records; makes decided_pairs, one row per pair of records that somebody
-- joined or split.
create temp table decided_pairs as
select
    decisions.decision_id,
    decisions.action,
    decisions.decided_at,
    one.record_key,
    other.record_key as other_record_key
from active_decisions as decisions
inner join records as one
    on
        one.source = decisions.source
        and one.account = decisions.account
        and one.contact_id = decisions.contact_id
inner join records as other
    on
        other.source = decisions.other_source
        and other.account = decisions.other_account
        and other.contact_id = decisions.other_contact_id
where decisions.action in ('join', 'split');
