-- Reads: mapped_contacts. Gives: one row per contact of a segment, as the newest window left it.
select contact_id
from mapped_contacts
where account = $account and segment_id = $segment_id
group by contact_id
having max_by(operation, window_start) <> 'left'
