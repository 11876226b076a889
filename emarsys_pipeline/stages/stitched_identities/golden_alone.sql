-- Reads what golden_held.sql reads, for touched_alone; writes identities, one row per touched identity
-- of a single contact: its values as they are.
insert into identities by name
{{ held }}

select
    held.identity_id,
    touched_alone.window_start,
    held.first_window_start,
    (held._source = 'emarsys')::bigint as emarsys_contacts,
    (held._source = 'platform')::bigint as platform_contacts,
    list_sort(list_distinct(held.phone_numbers)) as phone_numbers,
    list_sort(list_distinct(held.email_addresses)) as email_addresses
    {{ values }}
from held
inner join touched_alone using (identity_id);
