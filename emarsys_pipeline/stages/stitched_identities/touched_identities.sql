-- Reads stitched_identities, mapped_contacts, platform_contacts and identity_members; makes
-- touched, one row per identity that gained or lost a record in the window, or whose record
-- changed in it.
create temp table touched as
select identity_id
from stitched_identities
where window_start = $window_start
union
select previous_identity_id as identity_id
from stitched_identities
where window_start = $window_start and previous_identity_id is not null
union
select members.identity_id
from identity_members as members
inner join mapped_contacts as mapped
    on mapped.account = members.account and mapped.contact_id = members.contact_id
where members.source = 'emarsys' and mapped.window_start = $window_start
union
select members.identity_id
from identity_members as members
inner join platform_contacts as platform
    on platform.platform_contact_id = members.contact_id
where members.source = 'platform' and platform.window_start = $window_start;
