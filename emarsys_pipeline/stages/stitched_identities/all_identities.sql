-- Reads identity_members, mapped_contacts, platform_contacts, identity_events and identity_stitches;
-- makes touched, one row per identity, with the newest window whose stitch found that a record of
-- it had changed, come or gone, and whether it has several members.
create temp table touched as
with changes as (
    select identity_id, window_start
    from identity_members
    union all
    select members.identity_id, max(mapped.window_start) as window_start
    from identity_members as members
    inner join mapped_contacts as mapped
        on mapped.account = members.account and mapped.contact_id = members.contact_id
    where members.source = 'emarsys' and mapped.window_start <= $window_start
    group by members.identity_id
    union all
    select members.identity_id, max(platform.window_start) as window_start
    from identity_members as members
    inner join platform_contacts as platform
        on platform.platform_contact_id = members.contact_id
    where members.source = 'platform' and platform.window_start <= $window_start
    group by members.identity_id
    union all
    select identity_id, window_start
    from identity_events
    where event = 'split'
),

newest as (
    select identity_id, max(window_start) as changed_at
    from changes
    group by identity_id
)

select newest.identity_id, stitches.window_start, sizes.is_several
from newest
asof inner join identity_stitches as stitches on stitches.window_start >= newest.changed_at
inner join (
    select identity_id, count(*) > 1 as is_several
    from identity_members
    group by identity_id
) as sizes on sizes.identity_id = newest.identity_id;
