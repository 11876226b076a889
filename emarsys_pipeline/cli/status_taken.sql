-- Reads consent_events and platform_contacts; gives one row: the last message taken in, 0 for none.
select greatest(
    (select coalesce(max(inbox_sequence), 0) from consent_events),
    (select coalesce(max(inbox_sequence), 0) from platform_contacts)
) as taken;
