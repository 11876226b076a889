-- Reads: mapped_values. Gives: rows of rejected_values for one property whose type has no place
-- for what was written.
select
    $account as account,
    $segment_id as segment_id,
    $window_start as window_start,
    contact_id,
    '{{ property }}' as property,
    '{{ field_id }}' as field_id,
    {{ written }} as raw_value,
    '{{ reason }}' as reason
from mapped_values
where {{ written }} is not null and {{ column }} is null
