-- What people decide about identities, what waits for a decision, and where golden values are from.

-- one row per decision about identities: the ledger, only ever added to. window_start is the first
-- window whose stitching obeys it.
create table identity_decisions (
    window_start timestamptz not null,
    decision_id varchar not null,
    decided_at timestamptz not null,
    action varchar not null,
    author varchar not null,
    reason varchar not null,
    source varchar,
    account varchar,
    contact_id varchar,
    other_source varchar,
    other_account varchar,
    other_contact_id varchar,
    kind varchar,
    value varchar,
    revoked_decision_id varchar
);

-- A row with a contact holds back the identifier for that contact alone, one without for everybody.
alter table quarantined_links add column source varchar;
alter table quarantined_links add column account varchar;
alter table quarantined_links add column contact_id varchar;
-- The decision that keeps the link back; null while nobody has decided.
alter table quarantined_links add column decision_id varchar;

-- one row per identity of several records and property of its golden record: who gave the value
create table identity_property_sources (
    identity_id varchar not null,
    property varchar not null,
    source varchar not null,
    account varchar not null,
    contact_id varchar not null,
    window_start timestamptz not null
);
