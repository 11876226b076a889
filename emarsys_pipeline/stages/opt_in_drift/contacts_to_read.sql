-- Reads opt_in_targets, current_contacts, identity_members, consent_status and opt_in_readings;
-- gives the account's contacts whose person has decided: those whose field was read longest ago
-- first, ties in an order that has nothing to do with who they are.
select contacts.contact_id
from opt_in_targets as targets
inner join current_contacts as contacts on contacts.account = targets.account
inner join identity_members as members
    on
        members.source = 'emarsys'
        and members.account = contacts.account
        and members.contact_id = contacts.contact_id
inner join consent_status as decisions
    on decisions.identity_id = members.identity_id and decisions.channel = targets.channel
left join opt_in_readings as readings
    on readings.account = contacts.account and readings.contact_id = contacts.contact_id
where targets.account = $account
order by readings.requested_at nulls first, md5(contacts.contact_id), contacts.contact_id
limit $at_most;
