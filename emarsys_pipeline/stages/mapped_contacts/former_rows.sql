-- Reads: touched_contacts, current_contacts. Gives: a temporary table former_rows, one row per touched
-- contact, with its current row as it was, if there is one.
create or replace temp table former_rows as
select
    touched.contact_id,
    touched.is_newest,
    former.row_number,
    former.first_window_start,
    former.window_start
from touched_contacts as touched
left join (
    select rowid as row_number, contact_id, first_window_start, window_start
    from current_contacts
    where account = $account
) as former using (contact_id)
