-- Reads: members, previous, delivered, labelled. Writes: to_fetch, one row per contact to be read
-- whole: who entered, and whose changes contradict each other.
create or replace table to_fetch as
select contact_id, 'entered' as kind
from members
anti join previous using (contact_id)

union all

select distinct user_id as contact_id, 'changed' as kind
from delivered
semi join members on delivered.user_id = members.contact_id
semi join previous on delivered.user_id = previous.contact_id
anti join labelled on delivered.user_id = labelled.contact_id
