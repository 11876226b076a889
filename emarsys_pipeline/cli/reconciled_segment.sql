-- Reads segment_imports and mapped_contacts; gives one row on a segment in a window: how it was
-- imported, its members, and the contacts that are new, changed and gone in the window.
select
    any_value(imports.mode) as mode,
    any_value(imports.members) as members,
    count(*) filter (mapped.operation = 'new') as new,
    count(*) filter (mapped.operation = 'changed') as changed,
    count(*) filter (mapped.operation = 'left') as departed
from segment_imports as imports
left join mapped_contacts as mapped using (account, segment_id, window_start)
where imports.account = $account
    and imports.segment_id = $segment_id
    and imports.window_start = $window_start
