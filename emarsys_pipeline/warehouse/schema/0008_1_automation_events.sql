-- one row per call of a webhook node in an Emarsys automation
create table automation_events (
    window_start timestamptz not null,
    message_id varchar not null,
    inbox_sequence bigint not null,
    received_at timestamptz not null,
    occurred_at timestamptz not null,
    account varchar not null,
    event_name varchar,
    contact_id varchar,
    external_id varchar,
    phone_number varchar,
    email_address varchar,
    program_id varchar,
    contact_list_id varchar,
    payload varchar,
    source varchar not null
);

-- one row per erased contact and window in which it came to an identity: keeps ids as they are
create table erased_members (
    window_start timestamptz not null,
    source varchar not null,
    account varchar not null,
    member_id varchar not null,
    first_window_start timestamptz not null,
    identity_id varchar not null
);

-- one row per identifier of an erased person, as a keyed hash: keeps the person from coming back
create table erasure_tombstones (
    kind varchar not null,
    tombstone varchar not null,
    erased_at timestamptz not null
);

-- one row per erasure and table: how many rows were removed or made anonymous, and nothing else
create table erasures (
    erasure_id varchar not null,
    requested_at timestamptz not null,
    finished_at timestamptz,
    place varchar not null,
    rows_removed bigint not null
);
