-- Reads contacts; adds to mapped_contacts one row per contact of the Emarsys side: two accounts, and
-- a segment for each half million.
insert into mapped_contacts by name
select
    'shop_' || number % 2 as account,
    (number // 500000)::varchar as segment_id,
    $start::timestamptz as window_start,
    (100000000 + number)::varchar as contact_id,
    'new' as operation,
    []::varchar[] as changed_fields,
    hash(number) as row_hash,
    [phone for phone in [phone_number] if phone is not null] as phone_numbers,
    [email for email in [email_address] if email is not null] as email_addresses,
    $end::timestamptz as requested_at,
    'run' as run_id,
    $end::timestamptz as loaded_at,
    'First' || hash(person, 'first') % 5000 as first_name,
    'Last' || hash(person, 'last') % 50000 as last_name,
    'City' || hash(person, 'city') % 2000 as city,
    'Country' || hash(person, 'country') % 10 as country,
    case hash(person, 'salutation') % 3 when 0 then 'Mr.' when 1 then 'Ms.' end as salutation
from contacts
where not is_platform;
