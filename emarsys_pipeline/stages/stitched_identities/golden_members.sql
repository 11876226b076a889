-- Reads {{ members }} and touched; makes golden_members, one row per member of a touched identity.
create temp {{ view_or_table }} golden_members as
select
    members.identity_id,
    members.source,
    members.account,
    members.contact_id,
    members.first_window_start,
    touched.window_start as touched_at,
    {{ is_several }} as is_several
from {{ members }} as members
inner join touched on touched.identity_id = members.identity_id;
