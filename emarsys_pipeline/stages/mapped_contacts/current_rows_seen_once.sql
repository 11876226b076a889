-- Reads: mapped_contacts, seen_contacts. Gives: one row of current_contacts per touched contact that
-- was mapped once: what current_rows.sql gives for it, without looking for the newest of its rows.
select
    $account as account,
    mapped.contact_id,
    mapped.window_start as first_window_start,
    mapped.window_start,
    mapped.operation <> 'left' as is_member,
    mapped.phone_numbers,
    mapped.email_addresses,
    mapped.requested_at
    {{ values }}
from mapped_contacts as mapped
semi join (select contact_id from seen_contacts where times = 1) as once using (contact_id)
where mapped.account = $account and mapped.row_hash is not null
