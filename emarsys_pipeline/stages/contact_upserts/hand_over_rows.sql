-- Reads contact_upserts; gives one row per identity of a window, its newest upsert of that window,
-- in order of identity. Nothing in it depends on when or by which run it was derived, so that the
-- same upserts give the same file.
select
    {{ window_start }} as window_start,
    upsert_id,
    identity_id,
    operation,
    merged_into,
    emarsys_contacts,
    platform_contact_ids,
    phone_numbers,
    email_addresses,
    properties::json as properties,
    changed_properties
from contact_upserts as upserts
where upserts.window_start = $window_start
qualify row_number() over (partition by identity_id order by derived_at desc, upsert_id) = 1
order by identity_id
