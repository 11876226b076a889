-- Reads decided_contacts, resolved_decisions, opt_in_targets, current_contacts, opt_in_readings,
-- opt_in_drift, opt_in_deltas, opt_in_pushes and former_members; makes missing_deltas, one row per
-- contact whose field is expected to show another value than its person decided.
--
-- What a contact is expected to show: the value of its newest delta, whatever became of it, since a
-- pending one will arrive and a refused one is not sent again by itself; but once that delta was
-- accepted, a reading asked for later that shows something else. Without a delta, the reading.
--
-- For most contacts, all decisions of the person ask for the same value and all deltas brought it, so that
-- it matters neither which decision holds nor which delta is the newest. Only of the others, the unsettled
-- ones, is it found out.
create temp table missing_deltas as
with acceptance as (
    select delta_id, max(settled_at) as accepted_at
    from opt_in_pushes
    where outcome = 'accepted'
    group by delta_id
),

unsettled as (
    select distinct
        decided.*,
        nullif(readings.value, '') as read_value,
        readings.requested_at
    from decided_contacts as decided
    left join opt_in_readings as readings using (account, contact_id, field_id)
    left join opt_in_deltas as deltas using (account, contact_id, field_id)
    left join acceptance using (delta_id)
    where
        decided.agreed_value is null
        or decided.agreed_value is distinct from coalesce(
            deltas.new_value, nullif(readings.value, '')
        )
        or (
            readings.requested_at > acceptance.accepted_at
            and decided.agreed_value is distinct from nullif(readings.value, '')
        )
),

-- The decision that holds, as the view consent_status tells it.
decisions as (
    select identity_id, channel, status, event_id, received_at, window_start
    from resolved_decisions
    semi join unsettled using (identity_id, channel)
    where status in ('granted', 'withdrawn', 'denied')
    qualify row_number() over (
        partition by identity_id, channel
        order by occurred_at desc, received_at desc, status = 'granted', event_id desc
    ) = 1
),

decided as (
    select
        unsettled.*,
        case
            when decisions.status = 'granted' then targets.granted_value
            else targets.withdrawn_value
        end as new_value,
        decisions.event_id,
        decisions.status,
        decisions.received_at as decision_received_at,
        decisions.window_start as decision_window_start
    from unsettled
    inner join decisions using (identity_id, channel)
    inner join opt_in_targets as targets using (account)
),

newest_delta as (
    select account, contact_id, field_id, delta_id, new_value
    from opt_in_deltas
    semi join unsettled using (account, contact_id, field_id)
    qualify row_number() over (
        partition by account, contact_id, field_id order by derived_at desc, delta_id
    ) = 1
),

compared as (
    select
        decided.*,
        newest_delta.delta_id as newest_delta_id,
        newest_delta.new_value as newest_delta_value,
        coalesce(
            decided.requested_at > acceptance.accepted_at
            and decided.read_value is distinct from newest_delta.new_value,
            false
        ) as has_drifted,
        drift.found_at is not null as was_found_drifted
    from decided
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
            and drift.found_at = decided.requested_at
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
