-- Reads mapped_contacts; makes records as they were at the end of a window that is not the newest.
-- Ties: the later request, then the smaller segment id, as in current_contacts.
create temp table records as
with known as (
    select
        account,
        contact_id,
        phone_numbers,
        email_addresses,
        min(window_start) over (partition by account, contact_id) as first_window_start,
        row_number() over (
            partition by account, contact_id
            order by window_start desc, requested_at desc, segment_id
        ) as age
    from mapped_contacts
    where window_start <= $window_start and operation <> 'left'
)

select
    'emarsys' as source,
    account,
    contact_id,
    first_window_start,
    phone_numbers,
    email_addresses
from known
where age = 1;
