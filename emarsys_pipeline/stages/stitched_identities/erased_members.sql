-- Reads erased_members; adds to identity_map one row per erased contact, in the identity that it
-- belonged to at the window. They hold no identifier, so they link nobody; they keep the identity's
-- id and the history of merges as they were.
insert into identity_map by name
select
    -1 as record_key,
    source,
    account,
    member_id as contact_id,
    first_window_start,
    identity_id
from erased_members
where window_start <= $window_start
qualify row_number() over (
    partition by source, account, member_id order by window_start desc
) = 1;
