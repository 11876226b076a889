-- Reads read_back (one row per contact that was found, with its value), opt_in_targets,
-- identity_members, consent_status and opt_in_deliveries; makes compared, one row per contact whose
-- value is not what its person decided. A contact whose newest value is not in Emarsys yet, was
-- refused, or arrived while it was read, has an open delivery: that is no drift.
create temp table compared as
with newest as (
    select account, contact_id, field_id, outcome, settled_at
    from opt_in_deliveries
    where account = $account
    qualify row_number() over (
        partition by account, contact_id, field_id order by derived_at desc, delta_id
    ) = 1
)

select
    targets.account,
    read_back.contact_id,
    members.identity_id,
    targets.field_id,
    case
        when decisions.status = 'granted' then targets.granted_value else targets.withdrawn_value
    end as expected,
    nullif(read_back.value, '') as found,
    $found_at::timestamptz as found_at,
    decisions.event_id,
    $run_id as run_id,
    newest.outcome is not null
    and (newest.outcome <> 'accepted' or newest.settled_at >= $found_at) as is_open
from read_back
inner join opt_in_targets as targets on targets.account = $account
inner join identity_members as members
    on
        members.source = 'emarsys'
        and members.account = targets.account
        and members.contact_id = read_back.contact_id
inner join consent_status as decisions
    on decisions.identity_id = members.identity_id and decisions.channel = targets.channel
left join newest
    on newest.contact_id = read_back.contact_id and newest.field_id = targets.field_id
where expected is distinct from found;
