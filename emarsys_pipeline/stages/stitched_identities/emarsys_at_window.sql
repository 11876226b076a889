-- Reads mapped_contacts; gives one row per Emarsys contact as it was at the end of a window. The
-- values are chosen as for current_contacts: segments that the contact was still in come first,
-- then the newest window, the newest request and the smaller segment id.
with history as (
    select
        *,
        first_value(operation) over (
            partition by account, segment_id, contact_id order by window_start desc
        ) <> 'left' as is_member,
        min(window_start) over (partition by account, contact_id) as first_window_start,
        max(window_start) over (partition by account, contact_id) as touched_window_start
    from mapped_contacts
    {{ only }}
    where window_start <= $window_start
)

select
    account,
    contact_id,
    first_window_start,
    touched_window_start,
    phone_numbers,
    email_addresses
from history
where row_hash is not null
qualify row_number() over (
    partition by account, contact_id
    order by is_member desc, window_start desc, requested_at desc, segment_id
) = 1
