-- Reads opt_in_targets (one row per account), resolved_decisions and identity_members; makes
-- decided_contacts, one row per member of these accounts whose person decided, with the decision that
-- holds, as the view consent_status tells it.
create temp table decided_contacts as
with decisions as (
    select identity_id, channel, status, event_id, received_at, window_start
    from resolved_decisions
    where identity_id is not null and status in ('granted', 'withdrawn', 'denied')
    qualify row_number() over (
        partition by identity_id, channel
        order by occurred_at desc, received_at desc, status = 'granted', event_id desc
    ) = 1
)

select
    targets.account,
    members.contact_id,
    members.identity_id,
    members.window_start as member_window_start,
    targets.field_id,
    case
        when decisions.status = 'granted' then targets.granted_value
        else targets.withdrawn_value
    end as new_value,
    decisions.event_id,
    decisions.status,
    decisions.received_at as decision_received_at,
    decisions.window_start as decision_window_start
from identity_members as members
inner join decisions on decisions.identity_id = members.identity_id
inner join opt_in_targets as targets
    on targets.account = members.account and targets.channel = decisions.channel
where members.source = 'emarsys';
