-- Reads: mapped_values, mapped_contacts of earlier windows of the segment.
-- Gives: a temporary table operations, one row per raw row that says something new: the contact is
-- new to the segment, changed in a mapped property, or gone (what passed between two imports of one
-- window is gone, with the values that it had). A contact has one row per segment and
-- window, so the newest earlier one is unique. The hash only spares a comparison: what counts is
-- whether some property differs.
create or replace temp table operations as
with earlier as (
    select contact_id, window_start, operation, row_hash
        {{ carried }}
    from mapped_contacts
    where account = $account
        and segment_id = $segment_id
        and window_start < $window_start
        and contact_id in (select contact_id from mapped_values)
),

-- Read only if earlier carries no values: of those contacts alone whose hash differs.
whole_segment as (
    select *
    from mapped_contacts
    where account = $account and segment_id = $segment_id
),

known as (
    select
        contact_id,
        max(window_start) as window_start,
        max_by(operation, window_start) as operation,
        max_by(row_hash, window_start) as row_hash
    from earlier
    group by contact_id
),

candidates as (
    select
        mapped_values.contact_id,
        known.window_start as known_since,
        case
            when mapped_values.kind = 'passed' then 'left'
            when mapped_values.kind = 'left' and known.operation <> 'left' then 'left'
            when mapped_values.kind = 'left' then null
            when known.operation is null or known.operation = 'left' then 'new'
            when known.row_hash is distinct from mapped_values.row_hash then 'changed'
        end as operation
    from mapped_values
    left join known using (contact_id)
),

differences as (
    select candidates.contact_id, {{ changed_names }} as changed_fields
    from candidates
    join mapped_values as new on new.contact_id = candidates.contact_id
    join {{ old_rows }} as old
        on old.window_start = candidates.known_since
        and old.contact_id = candidates.contact_id
    where candidates.operation = 'changed'
)

select
    candidates.contact_id,
    candidates.operation,
    coalesce(differences.changed_fields, []::varchar[]) as changed_fields
from candidates
left join differences using (contact_id)
where candidates.operation in ('new', 'left') or len(differences.changed_fields) > 0
