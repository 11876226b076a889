-- Reads the published copy, emarsys_members (segment_id, contact_id) and emarsys_values
-- (contact_id, value), both as Emarsys shows them; gives one row of counts.
with members as (
    select segment_id, contact_id
    from mapped_contacts
    where account = $account
    group by segment_id, contact_id
    having max_by(operation, window_start) <> 'left'
),

decided as (
    select
        members.contact_id,
        case
            when decisions.status = 'granted' then $granted_value
            else $withdrawn_value
        end as value
    from identity_members as members
    inner join consent_status as decisions using (identity_id)
    where
        members.source = 'emarsys'
        and members.account = $account
        and decisions.channel = $channel
)

select
    (select count(*) from current_contacts where account = $account) as contacts_imported,
    (
        select count(distinct (contact_id, window_start)) from mapped_contacts
        where account = $account and operation = 'changed'
    ) as contacts_changed,
    (select count(*) from mapped_contacts where operation = 'left') as contacts_left,
    (select count(*) from identities) as identities,
    (select count(*) from identity_members) - (select count(*) from identities) as records_merged,
    (select count(*) from consent_events) as consent_decisions,
    (select count(*) from opt_in_deliveries where outcome = 'accepted') as pushes_accepted,
    (
        select count(*) from opt_in_deliveries where outcome not in ('accepted', 'superseded')
    ) as pushes_open,
    (select count(*) from (from members except from emarsys_members))
    + (select count(*) from (from emarsys_members except from members)) as missing_contacts,
    (
        select count(*)
        from decided
        left join emarsys_values as found using (contact_id)
        where found.value is distinct from decided.value
    ) as drift;
