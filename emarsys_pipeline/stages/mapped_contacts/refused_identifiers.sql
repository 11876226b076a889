-- Reads: mapped_values. Gives: rows of rejected_values for one property whose text has no normal
-- form. The property itself keeps the text.
select
    $account as account,
    $segment_id as segment_id,
    $window_start as window_start,
    contact_id,
    '{{ property }}' as property,
    '{{ field_id }}' as field_id,
    {{ column }} as raw_value,
    {{ reason }} as reason
from mapped_values
where {{ column }} is not null and {{ normalised }} is null
