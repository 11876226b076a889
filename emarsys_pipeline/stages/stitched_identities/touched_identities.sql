-- Reads changed_members, changed_records and the members as they are, or as they were before the window;
-- makes touched, one row per identity that gained or lost a record in the window, or whose record changed
-- in it.
create temp table touched as
with identities_of_changes as (
    select identity_id from changed_members where is_assigned
    union
    select former_identity_id as identity_id
    from changed_members
    where is_assigned and former_identity_id is not null
    union
    select members.identity_id
    from {{ present_members }} as members
    semi join changed_records using (source, account, contact_id)
)

select identity_id, $window_start::timestamptz as window_start
from identities_of_changes;
