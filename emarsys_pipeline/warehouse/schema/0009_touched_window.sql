-- The newest window in which any segment mapped something of the contact. A row is written anew with
-- each of these, so that the latest stand together at the end of the table.
alter table current_contacts add column touched_window_start timestamptz;

update current_contacts
set touched_window_start = touched.window_start
from (
    select account, contact_id, max(window_start) as window_start
    from mapped_contacts
    group by account, contact_id
) as touched
where touched.account = current_contacts.account
    and touched.contact_id = current_contacts.contact_id;
