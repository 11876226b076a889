-- Reads identity_members; makes previous_map for the window after the newest stitched one.
create temp table previous_map as
select source, account, contact_id, identity_id
from identity_members;
