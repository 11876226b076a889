-- Reads: labelled (from an export), looked_up (of the same contacts, by getdata). Writes: differing,
-- one row per contact whose values in the fields that both have are not the same.
create or replace table differing as
select labelled.contact_id
from labelled
join looked_up using (contact_id)
where {{ differs }}
