-- Gives: one row per contact of a made-up segment export, all text as Emarsys writes it: numbers of
-- ten countries in 17 forms (12 % have none, some are junk), addresses (6 % have none), labels,
-- dates, numbers and awkward texts. A row depends only on its number, from $first on.
with numbers as (
    select
        number,
        (hash(number, 'a') % 1000)::int as a,
        (hash(number, 'b') % 1000)::int as b,
        (hash(number, 'c') % 1000000)::int as c,
        (hash(number, 'd') % 10000000)::bigint as d
    from range($first, $first + $rows) as made(number)
),

placed as (
    select
        *,
        case
            when a < 500 then ['Germany', '49', '15', '0']
            when a < 600 then ['Austria', '43', '664', '0']
            when a < 680 then ['Switzerland', '41', '79', '0']
            when a < 740 then ['France', '33', '6', '0']
            when a < 800 then ['Italy', '39', '347', '']
            when a < 850 then ['Spain', '34', '61', '']
            when a < 900 then ['Netherlands', '31', '6', '0']
            when a < 940 then ['Poland', '48', '51', '']
            when a < 970 then ['Belgium', '32', '47', '0']
            else ['Sweden', '46', '70', '0']
        end as place
    from numbers
),

dialled as (
    select
        *,
        case place[1]
            when 'Germany' then lpad((100000000 + (d * 89) % 100000000)::varchar, 9, '1')
            when 'Austria' then lpad(d::varchar, 7, '1')
            when 'Switzerland' then lpad((2000000 + d % 7000000)::varchar, 7, '2')
            when 'France' then lpad((10000000 + d * 8)::varchar, 8, '1')
            when 'Italy' then lpad((1000000 + d % 9000000)::varchar, 7, '1')
            when 'Spain' then lpad((1000000 + d % 9000000)::varchar, 7, '1')
            when 'Netherlands' then lpad((10000000 + d * 3)::varchar, 8, '1')
            when 'Poland' then lpad((1000000 + d % 9000000)::varchar, 7, '1')
            when 'Belgium' then lpad((1000000 + d % 9000000)::varchar, 7, '1')
            else lpad((1000000 + d % 9000000)::varchar, 7, '1')
        end as subscriber
    from placed
),

written as (
    select
        *,
        place[2] as code,
        place[3] || subscriber as national,
        place[4] as trunk
    from dialled
)

select
    (1000000 + number)::varchar as user_id,
    'Given ' || c % 5000 as first_name,
    'Family-' || d % 80000 || case when c % 200 = 0 then ' "née", Ö' else '' end as last_name,
    case
        when b < 60 then ''
        when b < 63 then 'test@'
        when b < 70 then 'N' || number || '@Example.ORG '
        when b < 72 then 'jörg.' || number || '@example.org'
        else 'person.' || number || '@example.org'
    end as email,
    case
        when b < 120 then ''
        when b < 125 then 'n/a'
        when b < 130 then '0000000000'
        when b < 440 then '+' || code || national
        when b < 640 then trunk || national
        when b < 740 then '00' || code || national
        when b < 800 then '+' || code || ' ' || national[:3] || ' ' || national[4:]
        when b < 840 then trunk || national[:3] || '/' || national[4:]
        when b < 870 then trunk || national[:4] || '-' || national[5:]
        when b < 890 then '(' || trunk || national[:3] || ') ' || national[4:]
        when b < 920 then '+' || code || ' (0) ' || national
        when b < 940 then code || national
        when b < 955 then national || '.0'
        when b < 970 then '+' || code || '-' || national[:2] || '.' || national[3:]
        when b < 980 then trunk || national || ' ext. 12'
        when b < 990 then '+' || code || national[:5]
        else trunk || national || '1234'
    end as mobile,
    place[1] as country,
    case when c % 3 = 0 then 'Mr.' when c % 3 = 1 then 'Ms.' else '' end as salutation,
    case
        when c % 4 = 0 then ''
        else (date '1940-01-01' + (c % 25000)::int)::varchar
    end as birth_date,
    case when c % 5 = 0 then '' else (d % 100000 / 100)::varchar end as revenue,
    (c % 300)::varchar as orders,
    case when c % 2 = 0 then (date '2024-01-01' + (c % 700)::int)::varchar else '' end as ordered_on,
    'Street of the ' || c % 9000 || ' Trees ' || c % 200 as street,
    'City ' || c % 3000 as city,
    lpad((d % 100000)::varchar, 5, '0') as zip,
    case when c % 6 = 0 then 'Company ' || c % 20000 || ' & Sons' else '' end as company,
    case when c % 7 = 0 then 'Likes “quotes”, commas and' || e'\n' || 'new lines' else '' end as note,
    md5(number::varchar)[:16] as loyalty_number,
    ['bronze', 'silver', 'gold', ''][1 + c % 4] as tier,
    ['web', 'store', 'app', 'call centre'][1 + d % 4] as origin,
    'Store ' || d % 400 as store,
    case when b < 300 then 'granted' when b < 400 then 'withdrawn' else '' end as opt_in
from written
