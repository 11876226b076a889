-- Reads golden_held; writes identities, one row per touched identity of a single member: its values as
-- they are.
insert into identities by name
select
    identity_id,
    _touched_at as window_start,
    first_window_start,
    (_source = 'emarsys')::bigint as emarsys_contacts,
    (_source = 'platform')::bigint as platform_contacts,
    list_sort(list_distinct(phone_numbers)) as phone_numbers,
    list_sort(list_distinct(email_addresses)) as email_addresses
    {{ values }}
from golden_held
where not _is_several;
