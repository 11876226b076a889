-- Reads: operations, mapped_contacts (the partition as it was before this run).
-- Gives: a temporary table touched_contacts, one row per contact whose current row may change.
create or replace temp table touched_contacts as
select contact_id
from operations
union
select contact_id
from mapped_contacts
where account = $account and segment_id = $segment_id and window_start = $window_start
