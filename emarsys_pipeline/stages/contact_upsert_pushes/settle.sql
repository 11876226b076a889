-- Updates contact_upsert_pushes: an upsert without an answer is settled by sending its identity's
-- newest content again, which is harmless; its request has ended by now.
update contact_upsert_pushes
set outcome = 'repeated', settled_at = $now::timestamptz
where outcome = 'unknown' and retry_at <= $now;
