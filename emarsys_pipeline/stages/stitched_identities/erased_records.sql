-- Reads erased_members; makes erased_records, one row per erased contact, in the identity that it
-- belonged to at the window.
create temp table erased_records as
select source, account, member_id as contact_id, first_window_start, identity_id
from erased_members
where window_start <= $window_start
qualify row_number() over (
    partition by source, account, member_id order by window_start desc
) = 1;
