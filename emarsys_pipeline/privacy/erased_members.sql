-- Reads erasing_contacts, stitched_identities and identity_members; writes erased_members, one row
-- per assignment of the person's contacts to an identity, under salted names.
insert into erased_members by name
select
    stitched.window_start,
    people.source,
    people.account,
    {{ member_id }} as member_id,
    members.first_window_start,
    stitched.identity_id
from stitched_identities as stitched
inner join identity_members as members using (source, account, contact_id)
inner join erasing_contacts as people using (source, account, contact_id);
