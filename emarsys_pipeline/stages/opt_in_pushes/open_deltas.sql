-- Reads opt_in_deltas, opt_in_pushes and opt_in_replays; makes open_deltas, one row per delta of the
-- account that was neither accepted nor superseded, where its delivery stands (as in the view
-- opt_in_deliveries) and whether it is the newest of its contact and field. Only open deltas are
-- looked at closely: they are few, and those that are done are all that ever were.
create or replace temp table open_deltas as
with undone as (
    select deltas.*
    from opt_in_deltas as deltas
    anti join (
        select delta_id
        from opt_in_pushes
        where account = $account and outcome in ('accepted', 'superseded')
    ) as done using (delta_id)
    where deltas.account = $account
),

newest_deltas as (
    select contact_id, field_id, max(derived_at) as derived_at
    from opt_in_deltas
    where account = $account and contact_id in (select undone.contact_id from undone)
    group by contact_id, field_id
),

newest_attempts as (
    select *
    from opt_in_pushes
    where account = $account and delta_id in (select undone.delta_id from undone)
    qualify row_number() over (
        partition by delta_id order by attempt desc, intended_at desc, batch_id desc
    ) = 1
),

replays as (
    select delta_id, max(attempt) as attempt
    from opt_in_replays
    where account = $account
    group by delta_id
),

standing_attempts as (
    select newest_attempts.*
    from newest_attempts
    left join replays using (delta_id)
    where
        newest_attempts.outcome <> 'rejected'
        or newest_attempts.is_retryable
        or replays.attempt is null
        or replays.attempt < newest_attempts.attempt
)

select
    undone.window_start,
    undone.account,
    undone.delta_id,
    undone.contact_id,
    undone.field_id,
    undone.new_value,
    undone.derived_at,
    undone.derived_at = newest_deltas.derived_at as is_newest,
    coalesce(attempts.outcome, 'pending') as outcome,
    coalesce(newest_attempts.attempt, 0) as attempts,
    coalesce(attempts.is_retryable, true) as is_retryable,
    attempts.retry_at,
    coalesce(
        attempts.key_field_id is not null or attempts.reply_code = '2008', false
    ) as needs_key
from undone
inner join newest_deltas using (contact_id, field_id)
left join newest_attempts using (delta_id)
left join standing_attempts as attempts using (delta_id);
