-- Reads {{ of }}emarsys_records and {{ of }}platform_records; makes {{ of }}records, one row per
-- contact of either side, and {{ of }}held_identifiers, one row per record and identifier. The key of a
-- record is its row number in its table, negative on the messaging side: unique, and the same for the
-- whole stitch.
create temp view {{ of }}records as
select record_key, 'emarsys' as source, account, contact_id, first_window_start
from {{ of }}emarsys_records
union all
select record_key, 'platform' as source, '' as account, contact_id, first_window_start
from {{ of }}platform_records;

create temp view {{ of }}held_identifiers as
select
    record_key,
    'emarsys' as source,
    account,
    contact_id,
    'phone' as kind,
    unnest(
        case
            when len(phone_numbers) > 1 then list_distinct(phone_numbers) else phone_numbers
        end
    ) as value
from {{ of }}emarsys_records
union all
select
    record_key,
    'emarsys' as source,
    account,
    contact_id,
    'email' as kind,
    unnest(
        case
            when len(email_addresses) > 1 then list_distinct(email_addresses) else email_addresses
        end
    ) as value
from {{ of }}emarsys_records
union all
select
    record_key,
    'platform' as source,
    '' as account,
    contact_id,
    'phone' as kind,
    phone_number as value
from {{ of }}platform_records
where phone_number is not null
union all
select
    record_key,
    'platform' as source,
    '' as account,
    contact_id,
    'email' as kind,
    email_address as value
from {{ of }}platform_records
where email_address is not null;

create or replace temp macro identity_id_of(source, account, contact_id) as
    substr(md5(concat_ws(chr(31), source, account, contact_id)), 1, 20);
