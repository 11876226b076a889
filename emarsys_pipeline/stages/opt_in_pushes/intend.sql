-- Reads open_deltas and opt_in_pushes; writes opt_in_pushes, one row per delta of the next
-- request: the newest delta of its contact and field, due now, with no unsettled request of that
-- contact. Oldest first; ties by delta id. A contact is in a request once, even when the settings
-- name another field since: its other delta is for the next request. Contacts that Emarsys does
-- not know by their id are left to intend_by_key.sql where $creates_missing.
insert into opt_in_pushes by name
with unsettled as (
    select contact_id
    from opt_in_pushes
    where account = $account and outcome in ('sending', 'unknown')
    union
    -- A request by key may reach any contact of the person.
    select members.contact_id
    from opt_in_pushes as pushes
    inner join identity_members as own
        on
            own.source = 'emarsys'
            and own.account = pushes.account
            and own.contact_id = pushes.contact_id
    inner join identity_members as members
        on
            members.identity_id = own.identity_id
            and members.source = 'emarsys'
            and members.account = pushes.account
    where
        pushes.account = $account
        and pushes.outcome in ('sending', 'unknown')
        and pushes.key_field_id is not null
)

select
    deltas.window_start,
    deltas.account,
    $batch_id as batch_id,
    deltas.delta_id,
    deltas.contact_id,
    deltas.field_id,
    deltas.new_value as value,
    deltas.attempts + 1 as attempt,
    'sending' as outcome,
    true as is_retryable,
    $now::timestamptz as intended_at,
    $run_id as run_id
from open_deltas as deltas
anti join unsettled using (contact_id)
where
    deltas.is_newest
    and (
        deltas.outcome = 'pending'
        or (deltas.outcome = 'rejected' and deltas.is_retryable and deltas.retry_at <= $now)
    )
    and not ($creates_missing and deltas.needs_key)
qualify row_number() over (
    partition by deltas.contact_id order by deltas.derived_at, deltas.delta_id
) = 1
order by deltas.derived_at, deltas.delta_id
limit $batch_size;
