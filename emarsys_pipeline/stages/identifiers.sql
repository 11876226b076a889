-- Gives: temporary macros normalise_phone(text, region) and normalise_email(text), and those they
-- are made of.
-- The pattern accepts only what email-validator also accepts, with the same result; whatever it
-- does not accept is left to the library. Two hyphens in a row may be Punycode or reserved.
create or replace temp macro is_plain_email(address) as
    regexp_full_match(
        address,
        '[a-z0-9_!#$%&''*+/=?^`{|}~-]+(\.[a-z0-9_!#$%&''*+/=?^`{|}~-]+)*'
        || '@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+([a-z0-9][a-z0-9-]{0,61})?[a-z]'
    )
    and strlen(address) <= 254
    and not contains(address, '--')
    and not (
        ends_with(address, '.arpa')
        or ends_with(address, '.invalid')
        or ends_with(address, '.local')
        or ends_with(address, '.localhost')
        or ends_with(address, '.onion')
        or ends_with(address, '.test')
    );

create or replace temp macro normalise_email(written) as
    -- What decides stands in the first condition of a case: DuckDB computes it once there, and a
    -- second time anywhere else.
    case
        when is_plain_email(lower(written)) then lower(written)
        when is_plain_email(lower(trim(written))) then lower(trim(written))
        when written is not null then library_email(written)
    end;

-- Digits as dialled. Most texts hold nothing else, and looking costs less than translating.
create or replace temp macro dialled_digits(written) as
    case
        when regexp_full_match(written, '[+]?[0-9]+') then written
        else regexp_replace(written, '[ ()/.-]', '', 'g')
    end;

create or replace temp macro country_code(region) as
    {{ code_of_region }};

create or replace temp macro trunk_country_code(region) as
    {{ code_of_trunk_region }};

-- A plus sign, country code and number, where the form leaves no doubt which code it is: null or
-- what no pattern of a mobile number accepts otherwise.
create or replace temp macro international_number(written, dialled, region) as
    case
        when starts_with(dialled, '+')
            then case
                when contains(written, '(0)') then regexp_replace(dialled, '{{ after_code }}', '\1')
                else dialled
            end
        when starts_with(dialled, '00') and country_code(region) is not null
            then regexp_replace('+' || substring(dialled, 3), '{{ after_code }}', '\1')
        when starts_with(dialled, '0')
            then '+' || trunk_country_code(region) || substring(dialled, 2)
        when not starts_with(dialled, country_code(region))
            then '+' || country_code(region) || dialled
    end;

create or replace temp macro plain_mobile(written, region) as
    case
        when regexp_full_match(
            international_number(written, dialled_digits(written), region), '\+(?:{{ mobile }})'
        )
            then international_number(written, dialled_digits(written), region)
    end;

create or replace temp macro normalise_phone(written, region) as
    case
        when plain_mobile(written, region) is not null then plain_mobile(written, region)
        when written is not null then library_phone(written, region)
    end;
