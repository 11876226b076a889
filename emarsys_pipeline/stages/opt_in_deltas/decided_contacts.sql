-- Reads opt_in_targets (one row per account), resolved_decisions and identity_members; makes
-- decided_contacts, one row per member of these accounts whose person decided, with the value that all its
-- decisions ask for; null where they differ, so that it matters which holds.
create temp table decided_contacts as
with deciders as (
    select
        identity_id,
        channel,
        bool_or(status = 'granted') as has_granted,
        bool_or(status <> 'granted') as has_withdrawn
    from resolved_decisions
    where identity_id is not null and status in ('granted', 'withdrawn', 'denied')
    group by identity_id, channel
)

select
    targets.account,
    members.contact_id,
    members.identity_id,
    members.window_start as member_window_start,
    targets.field_id,
    targets.channel,
    case
        when not deciders.has_withdrawn then targets.granted_value
        when not deciders.has_granted then targets.withdrawn_value
    end as agreed_value
from identity_members as members
inner join deciders on deciders.identity_id = members.identity_id
inner join opt_in_targets as targets
    on targets.account = members.account and targets.channel = deciders.channel
where members.source = 'emarsys';
