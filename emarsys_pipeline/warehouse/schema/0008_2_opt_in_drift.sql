-- one row per Emarsys contact whose opt-in field, when read back, showed another value than its
-- person decided
create table opt_in_drift (
    account varchar not null,
    contact_id varchar not null,
    identity_id varchar not null,
    field_id varchar not null,
    expected varchar not null,
    found varchar,
    found_at timestamptz not null,
    event_id varchar not null,
    run_id varchar not null
);

-- one row per reconciliation of an account: how far it looked and what it found
create table opt_in_reconciliations (
    account varchar not null,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    is_full boolean not null,
    contacts bigint not null,
    missing bigint not null,
    open_deliveries bigint not null,
    drifted bigint not null,
    repairs bigint not null,
    requests bigint not null,
    run_id varchar not null
);
