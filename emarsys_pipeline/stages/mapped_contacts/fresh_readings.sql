-- Reads: raw_segment_exports, written_choices, opt_in_readings.
-- Gives: a temporary table fresh_readings, one row per contact of the partition whose opt-in field
-- was not asked for before the reading at hand, or which has none of that field.
create or replace temp table fresh_readings as
select
    raw.account,
    raw.contact_id,
    raw.window_start,
    $field_id as field_id,
    coalesce(choices.choice_id, nullif(raw.{{ column }}, '')) as value,
    raw.requested_at
from raw_segment_exports as raw
left join written_choices as choices
    on choices.field_id = $field_id
    and choices.dialect = raw.dialect
    and choices.written = raw.{{ column }}
left join opt_in_readings as readings
    on readings.account = raw.account and readings.contact_id = raw.contact_id
where raw.account = $account
    and raw.segment_id = $segment_id
    and raw.window_start = $window_start
    and raw.kind <> 'left'
    and (
        readings.requested_at is null
        or raw.requested_at >= readings.requested_at
        or readings.field_id <> $field_id
    )
