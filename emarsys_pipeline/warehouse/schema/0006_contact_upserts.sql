-- What the messaging side is to know of each person, and the attempts to tell it.

-- one row per identity and window whose golden record is new, changed or retired; a further one
-- when the window is stitched again with another result. Only ever added to.
create table contact_upserts (
    window_start timestamptz not null,
    upsert_id varchar not null,
    identity_id varchar not null,
    operation varchar not null,
    merged_into varchar,
    emarsys_contacts bigint not null,
    platform_contact_ids varchar[] not null,
    phone_numbers varchar[] not null,
    email_addresses varchar[] not null,
    properties varchar not null,
    changed_properties varchar[] not null,
    content_hash varchar not null,
    predecessor varchar not null,
    derived_at timestamptz not null,
    run_id varchar not null
);

-- one row per attempt to tell the messaging side one upsert: the intent first, its outcome after
create table contact_upsert_pushes (
    window_start timestamptz not null,
    upsert_id varchar not null,
    identity_id varchar not null,
    batch_id varchar not null,
    attempt integer not null,
    outcome varchar not null,
    is_retryable boolean not null,
    retry_at timestamptz,
    http_status integer,
    reply_text varchar,
    remedy varchar,
    intended_at timestamptz not null,
    settled_at timestamptz,
    run_id varchar not null
);
