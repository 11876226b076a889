-- Reads members_around and changed_members; makes members_now, one row per member of the components around
-- the window's changes, with the identity that it has since.
create temp table members_now as
select identity_id, source, account, contact_id, first_window_start
from members_around
anti join changed_members using (source, account, contact_id)
union all
select identity_id, source, account, contact_id, first_window_start
from changed_members;
