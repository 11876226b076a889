-- Reads shared_identifiers and shared_identities; writes quarantined_links, one row per shared
-- identifier that links nobody, with the guard that held it back.
insert into quarantined_links by name
select
    $window_start::timestamptz as window_start,
    shared.kind,
    shared.value,
    shared.records,
    case
        when shared.is_blocked then 'blocked value'
        when shared.records > $max_records then 'held by too many records'
        else 'the identity would be too large'
    end as reason
from shared_identifiers as shared
inner join shared_identities as found using (kind, value)
where not shared.is_link or found.is_cut;
