-- Reads opt_in_pushes; gives one row per contact of a request, with how often Emarsys refused the
-- contact before in a request that it answered. Requests that failed as a whole do not count.
select
    pushes.contact_id,
    pushes.field_id,
    pushes.value,
    pushes.attempt,
    count(refusals.delta_id) as refusals
from opt_in_pushes as pushes
left join opt_in_pushes as refusals
    on
        refusals.delta_id = pushes.delta_id
        and refusals.outcome = 'rejected'
        and refusals.http_status between 200 and 299
where pushes.batch_id = $batch_id and pushes.outcome = 'sending'
group by all
order by pushes.contact_id;
