-- Reads: members, labelled. Writes: to_fetch, one row per member that the export did not give.
create or replace table to_fetch as
select contact_id, 'member' as kind
from members
anti join labelled using (contact_id)
