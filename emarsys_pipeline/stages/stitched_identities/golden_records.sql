-- Reads golden_candidates; writes identities, one row per touched identity of several members: per
-- property the first value in its order of preference.
insert into identities by name
select
    identity_id,
    any_value(_touched_at) as window_start,
    min(first_window_start) as first_window_start,
    count_if(_source = 'emarsys') as emarsys_contacts,
    count_if(_source = 'platform') as platform_contacts,
    list_sort(list_distinct(flatten(list(phone_numbers)))) as phone_numbers,
    list_sort(list_distinct(flatten(list(email_addresses)))) as email_addresses
    {{ best_values }}
from golden_candidates
group by identity_id;
