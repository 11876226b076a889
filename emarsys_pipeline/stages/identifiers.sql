-- Gives: temporary macros normalise_phone(text, region) and normalise_email(text), and those they
-- are made of.
-- The pattern accepts only what email-validator also accepts, with the same result; whatever it
-- does not accept is left to the library. Two hyphens in a row may be Punycode or reserved.
create or replace temp macro trimmed_email(written) as
    lower(trim(written, e' \t\r\n'));

create or replace temp macro is_plain_email(address) as
    length(address) <= 254
    and regexp_full_match(
        address,
        '[a-z0-9_!#$%&''*+/=?^`{|}~-]+(\.[a-z0-9_!#$%&''*+/=?^`{|}~-]+)*'
        || '@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
    )
    and regexp_matches(address, '[a-z]$')
    and not regexp_matches(address, '@.*--')
    and not regexp_matches(address, '[@.](arpa|invalid|local|localhost|onion|test)$');

create or replace temp macro normalise_email(written) as
    -- One case of two branches here too: with a third one it takes three times as long.
    case
        when is_plain_email(trimmed_email(written)) then trimmed_email(written)
        else library_email(trimmed_email(written))
    end;

-- Digits as dialled, and the same with the country code in front where the form leaves no doubt
-- which one it is: null otherwise, for the library to decide.
create or replace temp macro dialled_digits(written) as
    translate(written, ' ()/.-', '');

create or replace temp macro country_code(region) as
    {{ code_of_region }};

create or replace temp macro trunk_country_code(region) as
    {{ code_of_trunk_region }};

create or replace temp macro international_digits(dialled, region) as
    case
        when dialled[1] = '+' then regexp_replace(dialled[2:], '{{ after_code }}', '\1')
        when dialled[1:2] = '00' and country_code(region) is not null
            then regexp_replace(dialled[3:], '{{ after_code }}', '\1')
        when dialled[1] = '0' then trunk_country_code(region) || dialled[2:]
        when not starts_with(dialled, country_code(region))
            then country_code(region) || dialled
    end;

create or replace temp macro plain_mobile(written, region) as
    nullif(
        regexp_extract(
            '+' || international_digits(dialled_digits(written), region),
            '^\+(?:{{ mobile }})$'
        ),
        ''
    );

create or replace temp macro normalise_phone(written, region) as
    -- One case of two branches: coalesce calls the library for every row, and with more branches
    -- the pattern is matched several times.
    case
        when plain_mobile(written, region) is not null then plain_mobile(written, region)
        else library_phone(written, region)
    end;
