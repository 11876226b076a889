-- Reads mapped_contacts; one row per segment that holds a contact more than once in a window.
select account, segment_id, count(*) as contacts
from (
    select account, segment_id, window_start, contact_id
    from mapped_contacts
    where list_contains($window_starts::timestamptz[], window_start)
    group by account, segment_id, window_start, contact_id
    having count(*) > 1
)
group by account, segment_id
order by account, segment_id
