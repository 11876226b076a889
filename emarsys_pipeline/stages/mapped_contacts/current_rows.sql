-- Reads: mapped_contacts, newest_rows. Gives: one row of current_contacts per contact in newest_rows.
select
    mapped.account,
    mapped.contact_id,
    newest_rows.first_window_start,
    mapped.window_start,
    newest_rows.is_member,
    mapped.phone_numbers,
    mapped.email_addresses,
    mapped.requested_at,
    newest_rows.touched_window_start
    {{ values }}
-- Narrow tables come second: of those made in this transaction DuckDB knows no sizes, and would
-- otherwise build its hash table of whole rows.
from mapped_contacts as mapped
join newest_rows on newest_rows.row_number = mapped.rowid
