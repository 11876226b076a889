-- Reads opt_in_deliveries and identity_members; gives one row per delta of the identity's Emarsys
-- contacts, oldest first; also those derived while a contact belonged to another identity.
select
    deliveries.account,
    deliveries.contact_id,
    deliveries.old_value,
    deliveries.new_value,
    deliveries.reason,
    deliveries.event_id,
    deliveries.derived_at,
    deliveries.outcome,
    deliveries.attempts,
    deliveries.settled_at,
    deliveries.http_status,
    deliveries.reply_code,
    deliveries.reply_text,
    deliveries.remedy
from opt_in_deliveries as deliveries
inner join identity_members as members
    on
        members.source = 'emarsys'
        and members.account = deliveries.account
        and members.contact_id = deliveries.contact_id
where members.identity_id = $identity_id
order by deliveries.derived_at, deliveries.account, deliveries.contact_id, deliveries.delta_id;
