-- Reads: mapped_contacts, former_rows. Gives: a temporary table histories, one row per mapped row over
-- all segments and windows of the touched contacts whose newest values are not plainly known.
create or replace temp table histories as
select
    rowid as row_number,
    contact_id,
    segment_id,
    window_start,
    requested_at,
    operation,
    row_hash is not null as has_values
from mapped_contacts
where account = $account
    and contact_id in (select contact_id from former_rows where not is_newest)
