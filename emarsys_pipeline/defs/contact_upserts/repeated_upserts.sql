-- Reads contact_upserts; gives one row: how many upsert ids occur more than once.
select count(*) as repeated
from (select upsert_id from contact_upserts group by upsert_id having count(*) > 1);
