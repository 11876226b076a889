-- The first shape of the warehouse.
--
-- Every table begins with its partition columns. No keys, constraints or sequences: uniqueness is
-- a check that Dagster shows, so that the same statements run on engines without them. Columns per
-- mapped property and per fetched Emarsys field are added by warehouse/columns.py.

-- one row per contact that one import of a segment delivered, or saw leave
create table raw_segment_exports (
    account varchar not null,
    segment_id varchar not null,
    window_start timestamptz not null,
    contact_id varchar not null,
    kind varchar not null,
    dialect varchar,
    requested_at timestamptz not null,
    export_id varchar
);

-- one row per landed import of one segment in one window
create table segment_imports (
    account varchar not null,
    segment_id varchar not null,
    window_start timestamptz not null,
    mode varchar not null,
    requested_at timestamptz not null,
    landed_at timestamptz not null,
    members bigint not null,
    rows_delivered bigint not null,
    entered bigint not null,
    departed bigint not null,
    changed bigint not null,
    export_ids varchar[] not null,
    api_calls bigint not null,
    bytes_downloaded bigint not null,
    seconds double not null,
    run_id varchar not null
);

-- one row per export that was asked of Emarsys: the intent first, its id and outcome after
create table export_intents (
    account varchar not null,
    window_start timestamptz not null,
    intent_id varchar not null,
    kind varchar not null,
    segment_id varchar,
    state varchar not null,
    export_id varchar,
    intended_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz,
    run_id varchar not null
);

-- one row per field of an account, as it was when a window was imported
create table emarsys_fields (
    account varchar not null,
    window_start timestamptz not null,
    field_id varchar not null,
    name varchar,
    string_id varchar,
    application_type varchar not null
);

-- one row per choice of a mapped choice field, as it was when a window was imported
create table emarsys_choices (
    account varchar not null,
    window_start timestamptz not null,
    field_id varchar not null,
    choice_id varchar not null,
    label varchar not null,
    language varchar not null
);

-- one row per contact of a segment that is new, changed or gone in the window
create table mapped_contacts (
    account varchar not null,
    segment_id varchar not null,
    window_start timestamptz not null,
    contact_id varchar not null,
    operation varchar not null,
    changed_fields varchar[] not null,
    row_hash ubigint,
    phone_numbers varchar[] not null,
    email_addresses varchar[] not null,
    requested_at timestamptz not null,
    run_id varchar not null,
    loaded_at timestamptz not null
);

-- one row per value that could not be converted; its contact lives on without it
create table rejected_values (
    account varchar not null,
    segment_id varchar not null,
    window_start timestamptz not null,
    contact_id varchar not null,
    property varchar not null,
    field_id varchar not null,
    raw_value varchar,
    reason varchar not null
);

-- one row per Emarsys contact ever imported: its newest mapped values
create table current_contacts (
    account varchar not null,
    contact_id varchar not null,
    first_window_start timestamptz not null,
    window_start timestamptz not null,
    is_member boolean not null,
    phone_numbers varchar[] not null,
    email_addresses varchar[] not null,
    requested_at timestamptz not null
);

-- one row per Emarsys contact: its opt-in field as an import or read-back last saw it
create table opt_in_readings (
    account varchar not null,
    contact_id varchar not null,
    window_start timestamptz not null,
    field_id varchar not null,
    value varchar,
    requested_at timestamptz not null
);

-- one row per message about a messaging-side contact
create table platform_contacts (
    window_start timestamptz not null,
    message_id varchar not null,
    inbox_sequence bigint not null,
    received_at timestamptz not null,
    updated_at timestamptz not null,
    platform_contact_id varchar not null,
    is_deleted boolean not null,
    first_name varchar,
    last_name varchar,
    phone varchar,
    phone_number varchar,
    email varchar,
    email_address varchar
);

-- one row per consent decision: the ledger, only ever added to
create table consent_events (
    window_start timestamptz not null,
    event_id varchar not null,
    inbox_sequence bigint not null,
    received_at timestamptz not null,
    occurred_at timestamptz not null,
    channel varchar not null,
    status varchar not null,
    reported_status varchar not null,
    platform_contact_id varchar,
    phone_number varchar,
    email_address varchar,
    source varchar not null,
    evidence_hash varchar not null
);

-- one row per record whose identity was assigned or changed in the window
create table stitched_identities (
    window_start timestamptz not null,
    source varchar not null,
    account varchar not null,
    contact_id varchar not null,
    identity_id varchar not null,
    previous_identity_id varchar,
    run_id varchar not null
);

-- one row per record: the identity that it belongs to now
create table identity_members (
    identity_id varchar not null,
    source varchar not null,
    account varchar not null,
    contact_id varchar not null,
    first_window_start timestamptz not null
);

-- one row per identifier that links records of an identity now
create table identity_identifiers (
    identity_id varchar not null,
    kind varchar not null,
    value varchar not null
);

-- one row per identity: its golden record
create table identities (
    identity_id varchar not null,
    window_start timestamptz not null,
    first_window_start timestamptz not null,
    emarsys_contacts bigint not null,
    platform_contacts bigint not null,
    phone_numbers varchar[] not null,
    email_addresses varchar[] not null
);

-- one row per stitched window: what stitching found
create table identity_stitches (
    window_start timestamptz not null,
    records bigint not null,
    identities bigint not null,
    assigned bigint not null,
    merges bigint not null,
    splits bigint not null,
    quarantined bigint not null,
    largest bigint not null,
    run_id varchar not null
);

-- one row per merge or split of identities
create table identity_events (
    window_start timestamptz not null,
    event varchar not null,
    identity_id varchar not null,
    other_identity_id varchar not null,
    records bigint not null
);

-- one row per identifier or identity that links nobody, and why
create table quarantined_links (
    window_start timestamptz not null,
    kind varchar not null,
    value varchar not null,
    records bigint not null,
    reason varchar not null
);

-- one row per Emarsys contact whose opt-in field must change
create table opt_in_deltas (
    window_start timestamptz not null,
    delta_id varchar not null,
    account varchar not null,
    contact_id varchar not null,
    identity_id varchar not null,
    field_id varchar not null,
    old_value varchar,
    new_value varchar not null,
    reason varchar not null,
    event_id varchar not null,
    predecessor varchar not null,
    derived_at timestamptz not null,
    run_id varchar not null
);

-- one row per attempt to write one delta to Emarsys: the intent first, its outcome after
create table opt_in_pushes (
    window_start timestamptz not null,
    account varchar not null,
    batch_id varchar not null,
    delta_id varchar not null,
    contact_id varchar not null,
    field_id varchar not null,
    value varchar not null,
    attempt integer not null,
    outcome varchar not null,
    is_retryable boolean not null,
    retry_at timestamptz,
    http_status integer,
    reply_code varchar,
    reply_text varchar,
    remedy varchar,
    intended_at timestamptz not null,
    settled_at timestamptz,
    run_id varchar not null
);
