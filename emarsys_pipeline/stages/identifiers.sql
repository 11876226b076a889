-- Gives: temporary macros normalise_phone(text, region) and normalise_email(text).
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
    case
        when written is null or not contains(written, '@') then null
        when is_plain_email(trimmed_email(written)) then trimmed_email(written)
        else library_email(trimmed_email(written))
    end;

create or replace temp macro normalise_phone(written, region) as
    case
        when written is null or not regexp_matches(written, '[^ ]') then null
        else library_phone(written, region)
    end;
