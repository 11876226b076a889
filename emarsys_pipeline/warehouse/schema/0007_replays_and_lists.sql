-- Values written by another key than the contact id, dead letters that people send again, and the
-- members of the lists that automations hand over.

-- the Emarsys field whose value named the contact in this request; null: its id did
alter table opt_in_pushes add column key_field_id varchar;

-- one row per dead letter that somebody asked to send again: only ever added to
create table opt_in_replays (
    window_start timestamptz not null,
    account varchar not null,
    delta_id varchar not null,
    attempt integer not null,
    requested_at timestamptz not null
);

-- one row per legacy automation call that names a contact list: what became of fetching it
create table automation_lists (
    window_start timestamptz not null,
    account varchar not null,
    message_id varchar not null,
    inbox_sequence bigint not null,
    received_at timestamptz not null,
    list_id varchar not null,
    state varchar not null,
    members bigint not null,
    reason varchar,
    fetched_at timestamptz not null,
    run_id varchar not null
);

-- one row per contact of a list that a legacy automation call named
create table automation_list_members (
    window_start timestamptz not null,
    account varchar not null,
    message_id varchar not null,
    contact_id varchar not null
);
