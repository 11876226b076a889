-- one row per message that was received; sequence is the order in which they became durable
create table messages (
    sequence integer primary key autoincrement,
    kind text not null,
    message_id text not null,
    subject text not null,
    received_at integer not null,       -- microseconds since 1970 UTC, never less than the row before
    source text not null,
    evidence_hash text not null,        -- sha-256 of body
    body text not null,                 -- the message as received, as canonical JSON
    event_id text,
    platform_contact_id text,
    first_name text,
    last_name text,
    phone text,
    email text,
    channel text,
    status text,
    occurred_at integer,
    updated_at integer,
    is_deleted integer,
    account text,
    deduplication_id text
);
create unique index messages_by_id on messages (kind, message_id);
create index messages_by_subject on messages (kind, subject, sequence);
create index messages_by_time on messages (kind, received_at);

-- one row per distinct body that could not be read, with the reason
create table poison (
    sequence integer primary key autoincrement,
    source text not null,
    body_hash text not null,
    body blob not null,
    reason text not null,
    received_at integer not null,
    last_received_at integer not null,
    occurrences integer not null
);
create unique index poison_by_body on poison (source, body_hash, reason);
