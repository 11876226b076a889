-- Reads platform_contacts; adds to consent_events a decision of every third contact.
insert into consent_events by name
select
    $start::timestamptz as window_start,
    'e' || platform_contact_id as event_id,
    inbox_sequence,
    received_at,
    received_at as occurred_at,
    'whatsapp' as channel,
    case when inbox_sequence % 2 = 0 then 'granted' else 'withdrawn' end as status,
    'reported' as reported_status,
    platform_contact_id,
    phone_number,
    email_address,
    'webhook' as source,
    '' as evidence_hash
from platform_contacts
where hash(platform_contact_id) % 3 = 0;
