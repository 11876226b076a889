-- Reads opt_in_deliveries, opt_in_pushes and identity_members; makes due_by_key, one row per newest
-- delta of a contact that Emarsys does not know by its id, due now. The whole person must be
-- settled: the key may lead to any of the person's contacts.
create or replace temp table due_by_key as
with ranked as (
    select
        deliveries.*,
        row_number() over (
            partition by account, contact_id, field_id order by derived_at desc, delta_id
        ) as age
    from opt_in_deliveries as deliveries
    where account = $account
),

unsettled_people as (
    select distinct members.identity_id
    from opt_in_pushes as pushes
    inner join identity_members as members
        on
            members.source = 'emarsys'
            and members.account = pushes.account
            and members.contact_id = pushes.contact_id
    where pushes.account = $account and pushes.outcome in ('sending', 'unknown')
)

select ranked.*
from ranked
left join identity_members as members
    on
        members.source = 'emarsys'
        and members.account = ranked.account
        and members.contact_id = ranked.contact_id
anti join unsettled_people on unsettled_people.identity_id = members.identity_id
where
    ranked.age = 1
    and ranked.outcome = 'rejected'
    and ranked.is_retryable
    and ranked.retry_at <= $now
    and (ranked.key_field_id is not null or ranked.reply_code = '2008')
qualify row_number() over (
    partition by ranked.contact_id order by ranked.derived_at, ranked.delta_id
) = 1;
