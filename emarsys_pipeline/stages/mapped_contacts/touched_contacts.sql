-- Reads: operations, mapped_contacts (the partition as it was before this run).
-- Gives: a temporary table touched_contacts, one row per contact whose current row may change.
-- is_newest: nothing was mapped of the account in a later window, nor of this partition before, and
-- the contact is in the segment. Then only rows of this window can have newer values.
create or replace temp table touched_contacts as
with before as (
    select contact_id
    from mapped_contacts
    where account = $account and segment_id = $segment_id and window_start = $window_start
),

rules as (
    select
        not exists (from before)
        and not exists (
            from mapped_contacts
            where account = $account and window_start > $window_start
        ) as is_newest
)

select operations.contact_id, operations.operation <> 'left' and rules.is_newest as is_newest
from operations
cross join rules

union all

select before.contact_id, false as is_newest
from before
where before.contact_id not in (select contact_id from operations)
