-- Reads decided_contacts, current_contacts, opt_in_readings, opt_in_drift, opt_in_deltas, opt_in_pushes and
-- former_members; makes missing_deltas, one row per contact whose field is expected to show another
-- value than its person decided.
--
-- What a contact is expected to show: the value of its newest delta, whatever became of it, since a
-- pending one will arrive and a refused one is not sent again by itself; but once that delta was
-- accepted, a reading asked for later that shows something else. Without a delta, the reading.
create temp table missing_deltas as
with newest_delta as (
    select account, contact_id, field_id, delta_id, new_value
    from opt_in_deltas
    qualify row_number() over (
        partition by account, contact_id, field_id order by derived_at desc, delta_id
    ) = 1
),

acceptance as (
    select delta_id, max(settled_at) as accepted_at
    from opt_in_pushes
    where outcome = 'accepted'
    group by delta_id
),

compared as (
    select
        decided.*,
        nullif(readings.value, '') as read_value,
        readings.requested_at,
        newest_delta.delta_id as newest_delta_id,
        newest_delta.new_value as newest_delta_value,
        acceptance.accepted_at,
        coalesce(
            readings.requested_at > acceptance.accepted_at
            and nullif(readings.value, '') is distinct from newest_delta.new_value,
            false
        ) as has_drifted,
        drift.found_at is not null as was_found_drifted
    from decided_contacts as decided
    left join opt_in_readings as readings
        on
            readings.account = decided.account
            and readings.contact_id = decided.contact_id
            and readings.field_id = decided.field_id
    left join (
        select account, contact_id, field_id, event_id, max(found_at) as found_at
        from opt_in_drift
        group by account, contact_id, field_id, event_id
    ) as drift
        on
            drift.account = decided.account
            and drift.contact_id = decided.contact_id
            and drift.field_id = decided.field_id
            and drift.event_id = decided.event_id
            and drift.found_at = readings.requested_at
    left join newest_delta
        on
            newest_delta.account = decided.account
            and newest_delta.contact_id = decided.contact_id
            and newest_delta.field_id = decided.field_id
    left join acceptance on acceptance.delta_id = newest_delta.delta_id
),

expected as (
    select
        *,
        case
            when newest_delta_id is null or has_drifted then read_value
            else newest_delta_value
        end as old_value,
        case
            when has_drifted then 'reading ' || epoch_us(requested_at)
            else coalesce(newest_delta_id, '')
        end as predecessor
    from compared
),

-- Members that are no contacts any more, as erased ones, have no field.
missing as (
    select *
    from expected
    semi join current_contacts using (account, contact_id)
    where new_value is distinct from old_value
),

-- As stitched_identities has it, of which the members came along.
former as (
    select account, contact_id, max(window_start) as window_start
    from former_members
    semi join missing using (account, contact_id)
    where source = 'emarsys'
    group by account, contact_id
),

stitched as (
    select
        missing.*,
        greatest(missing.member_window_start, former.window_start) as stitched_window_start
    from missing
    left join former using (account, contact_id)
)

select
    $window_start::timestamptz as window_start,
    md5(concat_ws(
        chr(31), account, contact_id, field_id, new_value, event_id, predecessor
    )) as delta_id,
    account,
    contact_id,
    identity_id,
    field_id,
    old_value,
    new_value,
    case
        when was_found_drifted then 'reconciled'
        when has_drifted and decision_received_at <= requested_at then 'reconciled'
        when not decision_window_start > stitched_window_start then 'stitched'
        when status = 'granted' then 'granted'
        else 'withdrawn'
    end as reason,
    event_id,
    predecessor,
    $derived_at::timestamptz as derived_at,
    $run_id as run_id
from stitched;
