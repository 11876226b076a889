-- Reads contacts; gives the cells of a segment's export, as Emarsys writes them. Of $round 1, which is
-- a window later, one contact in a hundred has other values: 70 % a city, 30 % a phone number.
select
    (100000000 + number)::varchar as contact_id,
    'First' || hash(person, 'first') % 5000 as field_1,
    'Last' || hash(person, 'last') % 50000 as field_2,
    upper(email_address) as field_3,
    case
        when phone_number is null then null
        when $round = 1 and hash(number, 'changes') % 10 < 3
            then '+49 151 ' || (10000000 + hash(number, 'other phone') % 89999999)::varchar
        else
            '0' || (15000000000 + phone_number[4:]::bigint % 300000000)::varchar
    end as field_37,
    'City' || (hash(person, 'city') % 2000 + $round) as field_11,
    'Germany' as field_14
from contacts
where
    not is_platform
    and number // 500000 = $segment
    and ($round = 0 or hash(number, 'delta') % 100 = 0)
