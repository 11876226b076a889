-- Reads opt_in_pushes and opt_in_replays; gives one row per contact of a request, with how often
-- Emarsys refused the contact before in a request that it answered, since it was last replayed.
-- Requests that failed as a whole do not count.
with replays as (
    select delta_id, max(attempt) as attempt
    from opt_in_replays
    group by delta_id
)

select
    pushes.contact_id,
    pushes.field_id,
    pushes.value,
    pushes.attempt,
    count(refusals.delta_id) as refusals,
    pushes.key_field_id
from opt_in_pushes as pushes
left join replays using (delta_id)
left join opt_in_pushes as refusals
    on
        refusals.delta_id = pushes.delta_id
        and refusals.outcome = 'rejected'
        and refusals.http_status between 200 and 299
        and refusals.attempt > coalesce(replays.attempt, 0)
        and coalesce(refusals.reply_code <> '2008', true)
where pushes.batch_id = $batch_id and pushes.outcome = 'sending'
group by all
order by pushes.contact_id;
