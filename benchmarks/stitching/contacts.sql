-- Makes the temporary table contacts, one row per contact number from $first to $last, each a pure function of
-- its number alone, so that a larger population begins with the smaller one. The shape:
-- 30 % are re-appearances of an earlier person with its first or second number and address;
-- 12 % have no phone, 6 % no e-mail; 3 % take the phone of the contact before (households);
-- chains of 3 to 64 contacts, linked by phone and e-mail in turn, one in every thousand contacts,
-- and one of 512 in every half million; offices of 40 contacts on one number, one in every four
-- thousand; 0.4 % junk phones, 0.05 % one hotline, 0.3 % junk addresses.
-- Every fifth contact is on the messaging side.
create or replace temp table contacts as
with numbered as (
    select
        range as number,
        hash(range, 'reappears') % 10000 as reappears,
        hash(range, 'phone') % 10000 as phone_share,
        hash(range, 'email') % 10000 as email_share,
        hash(range, 'household') % 10000 as household,
        range % 1000 as in_thousand,
        range % 4000 as in_office,
        range % 500000 as in_half_million,
        3 + hash(range // 1000, 'chain') % 62 as chain_length
    from range($first::bigint, $last::bigint)
),

persons as (
    select
        *,
        case
            when in_half_million between 100 and 611 then 'long chain'
            when in_thousand < chain_length then 'chain'
            when in_office between 500 and 539 then 'office'
            else 'person'
        end as part,
        case
            when reappears < 3000 then hash(number, 'whose') % (number + 1) else number
        end as person,
        case
            when reappears < 3000 then hash(number, 'which phone') % 2 else 0
        end as phone_choice,
        case
            when reappears < 3000 then hash(number, 'which email') % 2 else 0
        end as email_choice
    from numbered
),

keyed as (
    select
        number,
        person,
        case
            when part in ('long chain', 'chain') then 'c' || number // 2
            when part = 'office' then 'o' || number // 4000
            when phone_share < 1200 then null
            when phone_share < 1240 then 'j' || hash(number, 'junk phone') % 9
            when phone_share < 1245 then 'hotline'
            when household < 300 and number > 0 then 'p' || (number - 1) || '/0'
            else 'p' || person || '/' || phone_choice
        end as phone_key,
        case
            when part in ('long chain', 'chain') then 'c' || (number + 1) // 2
            when email_share < 600 then null
            when email_share < 630 then 'j' || hash(number, 'junk email') % 8
            else 'p' || person || '/' || email_choice
        end as email_key
    from persons
)

select
    number,
    person,
    number % 5 = 4 as is_platform,
    case
        when phone_key is not null
            then '+49' || (150000000000 + hash(phone_key, 'number') % 29000000000)::varchar
    end as phone_number,
    case
        when email_key like 'j%' then 'none' || email_key || '@example.org'
        when email_key is not null
            then 'person' || (hash(email_key, 'address') % 100000000000)::varchar || '@example.org'
    end as email_address
from keyed
