-- Reads erased_members and identity_map; makes erased_records, one row per erased contact, in the
-- identity that it belonged to at the window, and assigned_records, those and all records. Erased
-- contacts hold no identifier, so they link nobody; they keep the identity's id and the history of
-- merges as they were.
create temp view assigned_records as
select source, account, contact_id, first_window_start, identity_id, component_id
from identity_map
union all
select source, account, contact_id, first_window_start, identity_id, null as component_id
from erased_records;
