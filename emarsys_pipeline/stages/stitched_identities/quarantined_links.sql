-- Reads shared_identifiers, shared_identities, blocked_identifiers and cut_links; adds to
-- quarantined_links one row per shared identifier that links nobody, with the guard that held it
-- back, and one per contact that does not belong to an identifier which links others.
insert into quarantined_links by name
select
    shared.kind,
    shared.value,
    shared.records,
    case
        when shared.is_blocked then blocked.reason
        when not shared.is_link then 'held by too many records'
        else $too_large
    end as reason,
    null as source,
    null as account,
    null as contact_id,
    blocked.decision_id
from shared_identifiers as shared
inner join shared_identities as found using (kind, value)
left join blocked_identifiers as blocked using (kind, value)
where not shared.is_link or found.is_cut
union all by name
select
    cut_links.kind,
    cut_links.value,
    shared.records,
    cut_links.reason,
    records.source,
    records.account,
    records.contact_id,
    cut_links.decision_id
from cut_links
inner join shared_identifiers as shared using (kind, value)
inner join shared_identities as found using (kind, value)
inner join records on records.record_key = cut_links.record_key
where shared.is_link and found.stands_for_several;
