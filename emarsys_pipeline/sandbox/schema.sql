-- Tables of the emulated account. Ids are Emarsys's numbers; times are UTC.

-- one row per setting of the sandbox, as JSON text
create table settings (name varchar, value varchar);

-- one row per field of the account; name_de is the German translation
create table fields (
    field_id integer, name varchar, name_de varchar, application_type varchar,
    string_id varchar, is_read_only boolean, position integer
);

-- one row per choice of a choice field; position is the display order
create table choices (
    field_id integer, choice_id integer, position integer, label varchar, label_de varchar,
    bit_position integer
);

-- one row per contact; a column f_<field id> per field is added from the table fields.
-- person: truth, the row number of the person's first record. Values are stored as Emarsys
-- shows them in getdata: choice ids, multi choice as ids joined with ','; empty is null.
-- email_hash: finds contacts by e-mail (contact_keys.py); null without one.
create table contacts (
    id bigint, uid varchar, row_number bigint, person bigint, created_at timestamp,
    email_hash ubigint
);

-- one row per change that getchanges can see
create table changes (contact_id bigint, changed_at timestamp, origin varchar, origin_id varchar);

-- one row per segment; share_percent: the part of new contacts that joins;
-- member_count: fixed size of a segment whose contacts are generated at first use, else null
create table segments (
    segment_id bigint, name varchar, type varchar, share_percent integer, is_slow boolean,
    member_count bigint, definition varchar, criteria varchar
);

-- one row per contact in a segment
create table memberships (segment_id bigint, contact_id bigint);

-- one row per started export; settings_key identifies an export with the same settings
create table exports (
    export_id bigint, kind varchar, settings_key varchar, request varchar, created_at timestamp,
    status varchar, file_name varchar, row_total bigint, finished_at timestamp
);

-- one row per contact list and one row per contact in it
create table contact_lists (
    contact_list_id bigint, name varchar, description varchar, created_at timestamp, type integer
);
create table contact_list_members (contact_list_id bigint, contact_id bigint);

-- one row per external event, one row per contact that a trigger reached
create table events (event_id bigint, name varchar, created_at timestamp);
create table event_triggers (
    sequence bigint, event_id bigint, contact_id bigint, trigger_id varchar, data varchar,
    event_time varchar, received_at timestamp
);

-- one row per run of a segment
create table segment_runs (
    run_id varchar, segment_id bigint, status varchar, created_at timestamp,
    contact_list_id bigint, user_count bigint, opt_in_count bigint, contact_id bigint,
    polls integer
);

-- one row per value written to a contact, in the order applied; source: api, advance or import
create table field_writes (
    sequence bigint, written_at timestamp, request bigint, source varchar, contact_id bigint,
    field_id integer, value varchar
);

-- one row per contact of the messaging platform; person: truth, null for one unknown to Emarsys
create table platform_contacts (
    platform_contact_id varchar, person bigint, phone varchar, email varchar,
    first_name varchar, last_name varchar, updated_at timestamp
);

-- one row per decision a person made on the messaging platform, in order
create table platform_consents (
    sequence bigint, event_id varchar, platform_contact_id varchar, person bigint, phone varchar,
    email varchar, channel varchar, status varchar, occurred_at timestamp
);
