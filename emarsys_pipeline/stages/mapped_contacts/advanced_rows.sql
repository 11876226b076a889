-- Reads: mapped_contacts, former_rows. Gives: one row of current_contacts per contact that the partition
-- has the newest values of: what current_rows.sql gives for it, without looking at its history. A
-- contact without a current row was never mapped before.
select
    $account as account,
    mapped.contact_id,
    coalesce(former_rows.first_window_start, mapped.window_start) as first_window_start,
    mapped.window_start,
    true as is_member,
    mapped.phone_numbers,
    mapped.email_addresses,
    mapped.requested_at,
    mapped.window_start as touched_window_start
    {{ values }}
-- Narrow tables come second: of those made in this transaction DuckDB knows no sizes, and would
-- otherwise build its hash table of whole rows.
from mapped_contacts as mapped
join former_rows using (contact_id)
where mapped.account = $account
    and mapped.segment_id = $segment_id
    and mapped.window_start = $window_start
    and former_rows.is_newest
