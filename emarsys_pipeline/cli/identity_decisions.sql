-- Reads identity_decisions; gives one row per decision, oldest first.
select
    decision_id,
    decided_at,
    author,
    action,
    concat_ws(
        case action when 'split' then ' from ' else ' with ' end,
        coalesce(value, revoked_decision_id),
        nullif(concat_ws(':', source, nullif(account, ''), contact_id), ''),
        nullif(concat_ws(':', other_source, nullif(other_account, ''), other_contact_id), '')
    ) as about,
    reason,
    action <> 'revoke' and decision_id not in (
        select earlier.revoked_decision_id from identity_decisions as earlier
        where earlier.revoked_decision_id is not null
    ) as is_in_force
from identity_decisions
order by decided_at, decision_id;
