-- Reads: mapped_contacts, touched_contacts. Gives: a temporary table seen_contacts, one row per touched
-- contact that was ever mapped, with the number of its mapped rows over all segments and windows.
create or replace temp table seen_contacts as
select contact_id, count(*) as times
from mapped_contacts
where account = $account and contact_id in (select contact_id from touched_contacts)
group by contact_id
