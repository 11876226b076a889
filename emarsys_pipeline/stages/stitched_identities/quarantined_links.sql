-- Reads shared_identifiers, record_identifiers and identity_map; writes quarantined_links, one row
-- per shared identifier that links nobody, with the guard that held it back.
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
where
    not shared.is_link
    or (shared.kind, shared.value) in (
        select (held.kind, held.value)
        from record_identifiers as held
        inner join identity_map using (record_key)
        group by held.kind, held.value
        having min(identity_map.identity_id) <> max(identity_map.identity_id)
    );
