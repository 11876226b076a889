-- Reads resolved_automation_events; gives the events after a position of the inbox, in its order.
select
    inbox_sequence,
    message_id,
    received_at,
    occurred_at,
    account,
    event_name,
    identity_id,
    resolved_by,
    contact_id,
    external_id,
    phone_number,
    email_address,
    program_id,
    contact_list_id,
    payload,
    source
from resolved_automation_events
where inbox_sequence > $after
order by inbox_sequence
limit $at_most;
