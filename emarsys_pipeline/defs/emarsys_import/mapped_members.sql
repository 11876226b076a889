-- Reads mapped_contacts; gives the number of contacts in a segment at the end of a window.
select count(*)
from (
    select contact_id
    from mapped_contacts
    where account = $account and segment_id = $segment_id and window_start <= $window_start
    group by contact_id
    having max_by(operation, window_start) <> 'left'
)
