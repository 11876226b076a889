-- Reads: delivered. Writes: labelled, one row per contact, with the exported values. An export may
-- hold contacts that entered the segment after its members were listed.
create or replace table labelled as
select user_id as contact_id, * exclude (user_id)
from delivered
