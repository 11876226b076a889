-- Reads nothing. One row per generated contact, rows $first_row to $last_row (exclusive).
-- Every value is a function of ($seed, row), so any range can be made at any time.
--
-- Rows come in blocks of 50. Places 0 to 39 are people with identifiers of their own. Then:
-- 40, 41  the person of place 0 again, with the same e-mail
-- 42      the person of place 1 again, with the same phone
-- 43..45  the person of place 2 again, as a chain: phone, then e-mail, then phone
-- 46      a colleague, with an office line shared by 50 blocks
-- 47      junk identifiers   48  an invalid phone   49  no identifier, awkward text
with numbered as (
    select i as row_number, i - i % 50 as block, (i % 50)::integer as place
    from range($first_row, $last_row) as rows (i)
),

roles as (
    select
        *,
        case
            when place in (40, 41) then block
            when place = 42 then block + 1
            when place in (43, 44, 45) then block + 2
            else row_number
        end as person,
        case when place in (40, 41) then block when place = 44 then row_number - 1
            else row_number end as email_key,
        case when place = 42 then block + 1 when place = 43 then block + 2
            when place = 45 then row_number - 1 else row_number end as phone_key
    from numbered
),

drawn as (
    select
        *,
        (hash($seed, person, 'country') // 4)::bigint % 100 as country_draw,
        (hash($seed, person, 'first') // 4)::bigint as first_draw,
        (hash($seed, person, 'last') // 4)::bigint as last_draw,
        (hash($seed, row_number, 'spelling') // 4)::bigint as spelling_draw,
        (hash($seed, row_number, 'email') // 4)::bigint as email_draw,
        (hash($seed, row_number, 'text') // 4)::bigint as text_draw,
        (hash($seed, row_number, 'detail') // 4)::bigint as detail_draw,
        (hash($seed, person, 'body') // 4)::bigint as body_draw
    from roles
),

placed as (
    select
        *,
        case
            when place = 46 or country_draw < 55 then 'DE' when country_draw < 67 then 'AT'
            when country_draw < 77 then 'CH' when country_draw < 85 then 'GB'
            when country_draw < 93 then 'FR' else 'NL'
        end as country,
        ['Mina', 'Jonas', 'Zoë', 'Emil', 'Łucja', 'René', 'Ayşe', 'Björn', 'Chloé', 'Dirk',
         'Søren', 'Ines', 'Jürgen', 'Käthe', 'Luis', 'Ñata', 'Otto', 'Paula', 'Quentin',
         'Rosa', 'Žofie', 'Theo', 'Ulla', 'Vera'][first_draw % 24 + 1] as first_name,
        ['Muster', 'O''Hara', 'Müller-Lüdenscheidt', 'van der Berg', 'Groß', 'Beispiel',
         'Nowak', 'Çelik', 'Dupont', 'Ekström', 'Šimek', 'García', 'Huber', 'Iversen',
         'Jäger', 'Kováč', 'Löwe', 'Meier', 'Næss', 'Østergård', 'Peña', 'Schmidt',
         'Tóth', 'Weiß'][last_draw % 24 + 1] as last_name,
        ($seed * 1234567 + phone_key % 10000000 * 7654321) % 10000000 as subscriber,
        phone_key >= 50000000 as is_large
    from drawn
),

numbers as (
    select
        *,
        case when place = 46 then '49' else
            map {'DE': '49', 'AT': '43', 'CH': '41', 'GB': '44', 'FR': '33', 'NL': '31'}[country]
        end as calling_code,
        case when place = 46
            then '30' || lpad(((block // 2500 + $seed) % 100000)::varchar, 6, '20')
            else (case when is_large
                then map {'DE': '1520', 'AT': '664', 'CH': '79', 'GB': '750', 'FR': '61', 'NL': '62'}
                else map {'DE': '1510', 'AT': '660', 'CH': '76', 'GB': '740', 'FR': '60', 'NL': '61'}
            end)[country] || lpad(subscriber::varchar, 7, '0')
        end as national_number,
        replace(replace(strip_accents(lower(first_name)), 'ł', 'l'), 'ø', 'o') as ascii_first,
        replace(replace(replace(replace(replace(replace(
            strip_accents(lower(last_name)), 'ß', 'ss'), 'ø', 'o'), 'æ', 'ae'), '''', ''), ' ', ''),
            'ł', 'l') as ascii_last
    from placed
),

identified as (
    select
        *,
        case when place in (47, 49) then null
            else ascii_first || '.' || ascii_last || email_key || '@'
                || ['example.org', 'example.com', 'mail.example.net'][(last_draw // 64) % 3 + 1]
        end as clean_email,
        case when place in (41, 47, 48, 49) then null
            else '+' || calling_code || national_number end as clean_phone,
        ['Berlin', 'Zürich', 'Wien', 'Köln', 'London', 'Lyon', 'Ås', 'Den Haag', 'München',
         'St. Pölten'][body_draw % 10 + 1] as plain_city
    from numbers
),

written as (
    select
        *,
        case
            when place = 47 then ['test@test.example.com', 'noemail@example.com', 'n/a',
                'keine@', 'info@example.org'][detail_draw % 5 + 1]
            when email_draw % 10 < 6 then clean_email
            when email_draw % 10 < 8 then upper(clean_email[1]) || clean_email[2:]
            when email_draw % 10 < 9 then upper(clean_email)
            else ' ' || clean_email || ' '
        end as email,
        case
            when place = 47 then ['0000000', '+49 111 1111111', '-', '0123456789',
                '+491234567890'][detail_draw % 5 + 1]
            when place = 48 then ['12345', 'call me', '+49', '0151-', '++49 151 1'][detail_draw % 5 + 1]
            when clean_phone is null then null
            when spelling_draw % 10 < 3 then clean_phone
            when spelling_draw % 10 = 3 then '00' || calling_code || national_number
            when spelling_draw % 10 = 4 then '+' || calling_code || ' (0) ' || national_number[:3]
                || ' ' || national_number[4:]
            when spelling_draw % 10 = 5 then '0' || national_number[:3] || ' ' || national_number[4:6]
                || ' ' || national_number[7:]
            when spelling_draw % 10 = 6 then '(0' || national_number[:3] || ') ' || national_number[4:7]
                || '-' || national_number[8:]
            when spelling_draw % 10 = 7 then '0' || national_number[:3] || '/' || national_number[4:]
            when spelling_draw % 10 = 8 then '+' || calling_code || '.' || national_number[:3] || '.'
                || national_number[4:]
            else '0' || national_number
        end as mobile,
        case when place = 49 or text_draw % 40 = 0 then
            ['Say "hi"; and, well', E'two\nlines', 'Grüße 🎉 from 東京', 'مرحبا بالعالم',
             'semi;colon;;', '"', E'tab\there', '=1+1', ' lead and trail ', 'עברית, too',
             E'cr\r\nlf', '''; drop table --', 'a,b,c'][(text_draw // 40) % 13 + 1]
        end as awkward
    from identified
)

select
    700001 + row_number as id,
    substr(md5($seed || 'uid' || row_number), 1, 10) as uid,
    row_number,
    person,
    first_name as f_1,
    last_name as f_2,
    email as f_3,
    case when body_draw % 3 = 0 then null
        else (date '1940-01-01' + (body_draw % 24000)::integer)::varchar end as f_4,
    case when body_draw % 7 = 0 then null else (body_draw % 3 + 1)::varchar end as f_5,
    case when awkward is not null then awkward
        when detail_draw % 4 = 0 then null
        else 'Hauptstraße ' || (detail_draw % 200 + 1) end as f_10,
    case when place = 49 then awkward else plain_city end as f_11,
    lpad((body_draw % 100000)::varchar, 5, '0') as f_13,
    case when detail_draw % 25 = 0 then null else
        map {'DE': '65', 'AT': '10', 'CH': '168', 'GB': '184', 'FR': '61', 'NL': '124'}[country]
    end as f_14,
    case when detail_draw % 5 = 0 then mobile end as f_15,
    case when detail_draw % 6 = 0 then coalesce(awkward, 'Muster & Söhne; GmbH') end as f_18,
    case when detail_draw % 10 < 6 then '1' when detail_draw % 10 < 8 then '2' end as f_31,
    case country when 'GB' then '1' when 'FR' then '3' when 'NL' then '11' else '2' end as f_35,
    mobile as f_37,
    case when body_draw % 7 = 0 then null else [1, 2, 6][body_draw % 3 + 1]::varchar end as f_46,
    (date '2015-01-01' + (detail_draw % 3600)::integer)::varchar as f_48,
    case when detail_draw % 3 = 0 then null
        else array_to_string(([1, 4, 7, 12, 19])[:(detail_draw % 5 + 1)::integer], ',') end as f_10231,
    case when body_draw % 2 = 0 then [10, 20, 30][body_draw % 3 + 1]::varchar end as f_10240,
    case when detail_draw % 2 = 0 then (detail_draw % 5000)::varchar end as f_10250,
    case when detail_draw % 3 = 0 then (date '2025-01-01' + (detail_draw % 600)::integer)::varchar
    end as f_10260,
    awkward as f_10270,
    case when detail_draw % 100 < 3 then 'granted' when detail_draw % 100 = 3 then 'withdrawn'
    end as f_10500,
    clean_email,
    clean_phone
from written
