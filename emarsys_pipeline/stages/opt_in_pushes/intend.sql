-- Reads opt_in_deltas and opt_in_pushes; writes opt_in_pushes, one row per delta of the next
-- request: the newest delta of its contact and field, due now, with no unsettled request of that
-- contact. Oldest first; ties by delta id. A contact is in a request once, even when the settings
-- name another field since: its other delta is for the next request. Contacts that Emarsys does
-- not know by their id are left to intend_by_key.sql where $creates_missing.
insert into opt_in_pushes by name
with ranked as (
    select
        deliveries.*,
        row_number() over (
            partition by account, contact_id, field_id order by derived_at desc, delta_id
        ) as age
    from opt_in_deliveries as deliveries
    where account = $account
),

unsettled as (
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
    ranked.window_start,
    ranked.account,
    $batch_id as batch_id,
    ranked.delta_id,
    ranked.contact_id,
    ranked.field_id,
    ranked.new_value as value,
    ranked.attempts + 1 as attempt,
    'sending' as outcome,
    true as is_retryable,
    $now::timestamptz as intended_at,
    $run_id as run_id
from ranked
anti join unsettled using (contact_id)
where
    ranked.age = 1
    and (
        ranked.outcome = 'pending'
        or (ranked.outcome = 'rejected' and ranked.is_retryable and ranked.retry_at <= $now)
    )
    and not (
        $creates_missing
        and (ranked.key_field_id is not null or coalesce(ranked.reply_code = '2008', false))
    )
qualify row_number() over (
    partition by ranked.contact_id order by ranked.derived_at, ranked.delta_id
) = 1
order by ranked.derived_at, ranked.delta_id
limit $batch_size;
