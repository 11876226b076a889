-- Reads open_deltas, opt_in_pushes and identity_members; makes due_by_key, one row per newest
-- delta of a contact that Emarsys does not know by its id, due now. The whole person must be
-- settled: the key may lead to any of the person's contacts.
create or replace temp table due_by_key as
with unsettled_people as (
    select distinct members.identity_id
    from opt_in_pushes as pushes
    inner join identity_members as members
        on
            members.source = 'emarsys'
            and members.account = pushes.account
            and members.contact_id = pushes.contact_id
    where pushes.account = $account and pushes.outcome in ('sending', 'unknown')
)

select deltas.*
from open_deltas as deltas
left join identity_members as members
    on
        members.source = 'emarsys'
        and members.account = deltas.account
        and members.contact_id = deltas.contact_id
anti join unsettled_people on unsettled_people.identity_id = members.identity_id
where
    deltas.is_newest
    and deltas.outcome = 'rejected'
    and deltas.is_retryable
    and deltas.retry_at <= $now
    and deltas.needs_key
qualify row_number() over (
    partition by deltas.contact_id order by deltas.derived_at, deltas.delta_id
) = 1;
