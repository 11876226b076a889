-- Reads golden_candidates and touched_several; writes identities, one row per touched identity of
-- several contacts: per property the first value in its order of preference.
insert into identities by name
select
    identity_id,
    any_value(touched_several.window_start) as window_start,
    min(golden_candidates.first_window_start) as first_window_start,
    count_if(_source = 'emarsys') as emarsys_contacts,
    count_if(_source = 'platform') as platform_contacts,
    list_sort(list_distinct(flatten(list(phone_numbers)))) as phone_numbers,
    list_sort(list_distinct(flatten(list(email_addresses)))) as email_addresses
    {{ best_values }}
from golden_candidates
inner join touched_several using (identity_id)
group by identity_id;
