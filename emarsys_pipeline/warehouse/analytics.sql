-- What analysts read: a star of views, each view and column commented. The file is called
-- analytics, so analytics.contacts and plain contacts both find them; the tables behind them are in
-- the schema pipeline of that file; a lake has the same views over the tables that it is.

-- one row per Emarsys contact
create view contacts as
select
    contacts.account,
    contacts.contact_id,
    members.identity_id,
    contacts.is_member,
    contacts.first_window_start,
    contacts.window_start as changed_window_start,
    contacts.phone_numbers,
    contacts.email_addresses,
    readings.value as opt_in_value,
    readings.requested_at as opt_in_read_at
    {{ contact_property_columns }}
from {{ tables }}.current_contacts as contacts
left join {{ tables }}.identity_members as members
    on
        members.source = 'emarsys'
        and members.account = contacts.account
        and members.contact_id = contacts.contact_id
left join {{ tables }}.opt_in_readings as readings
    on readings.account = contacts.account and readings.contact_id = contacts.contact_id;

comment on view contacts is 'One row per Emarsys contact ever imported, with its newest mapped values';
comment on column contacts.account is 'Account name from the settings';
comment on column contacts.contact_id is 'Internal Emarsys contact id';
comment on column contacts.identity_id is 'The person that this contact belongs to; joins identities';
comment on column contacts.is_member is 'Whether the contact is in at least one imported segment now';
comment on column contacts.first_window_start is 'Start of the window that first delivered the contact';
comment on column contacts.changed_window_start is 'Start of the window that last changed a mapped value';
comment on column contacts.phone_numbers is 'Valid phone numbers, E.164';
comment on column contacts.email_addresses is 'Valid e-mail addresses, normalised';
comment on column contacts.opt_in_value is 'The opt-in field as Emarsys last showed it';
comment on column contacts.opt_in_read_at is 'When that reading was asked for';

-- one row per identity
create view identities as
select
    identity_id,
    first_window_start,
    window_start as changed_window_start,
    emarsys_contacts,
    platform_contacts,
    phone_numbers,
    email_addresses
    {{ property_columns }}
from {{ tables }}.identities;

comment on view identities is 'One row per person: the golden record over all linked contacts';
comment on column identities.identity_id is 'Stable id: a hash of the first record of the person';
comment on column identities.first_window_start is 'Start of the window in which the person first appeared';
comment on column identities.changed_window_start is 'Start of the window that last changed the golden record';
comment on column identities.emarsys_contacts is 'Emarsys contacts of the person';
comment on column identities.platform_contacts is 'Messaging-side contacts of the person';
comment on column identities.phone_numbers is 'All valid phone numbers of the person, E.164';
comment on column identities.email_addresses is 'All valid e-mail addresses of the person';

-- one row per identity and property that it has: persons of several contacts have theirs stored, and
-- those of one contact have all from it
create view identity_property_sources as
with alone as (
    select
        identities.identity_id,
        identities.window_start,
        unnest([{{ property_names }}]::varchar[]) as property
    from {{ tables }}.identities
    where identities.emarsys_contacts + identities.platform_contacts = 1
)

select identity_id, property, source, account, contact_id, window_start as changed_window_start
from {{ tables }}.identity_property_sources
union all
select
    alone.identity_id,
    alone.property,
    members.source,
    members.account,
    members.contact_id,
    alone.window_start as changed_window_start
from alone
inner join {{ tables }}.identity_members as members using (identity_id)
anti join {{ tables }}.identity_property_sources as stored
    on stored.identity_id = alone.identity_id
where alone.property is not null;

comment on view identity_property_sources is 'One row per person and property that the golden record has: the contact whose value it is';
comment on column identity_property_sources.identity_id is 'Joins identities';
comment on column identity_property_sources.property is 'Name of the property';
comment on column identity_property_sources.source is 'Who gave the value: emarsys or platform';
comment on column identity_property_sources.account is 'Account of that contact; empty for the messaging side';
comment on column identity_property_sources.contact_id is 'Id of that contact';
comment on column identity_property_sources.changed_window_start is 'Start of the window that last changed that contact';

-- one row per record of an identity
create view identity_members as
select identity_id, source, account, contact_id, first_window_start from {{ tables }}.identity_members;

comment on view identity_members is 'One row per contact of either side: the person that it belongs to now';
comment on column identity_members.identity_id is 'Joins identities';
comment on column identity_members.source is 'emarsys or platform (the messaging side)';
comment on column identity_members.account is 'Account name; empty for the messaging side';
comment on column identity_members.contact_id is 'Contact id within its source and account';
comment on column identity_members.first_window_start is 'Start of the window that first delivered the contact';

-- one row per merge or split
create view identity_events as
select window_start, event, identity_id, other_identity_id, records from {{ tables }}.identity_events;

comment on view identity_events is 'One row per merge or split of two identities';
comment on column identity_events.window_start is 'Start of the window whose stitching did it';
comment on column identity_events.event is 'merge or split';
comment on column identity_events.identity_id is 'The identity that the records left';
comment on column identity_events.other_identity_id is 'The identity that the records belong to since';
comment on column identity_events.records is 'Contacts that moved';

-- one row per change of a contact in a segment
create view segment_changes as
select account, segment_id, window_start, contact_id, operation, changed_fields
from {{ tables }}.mapped_contacts;

comment on view segment_changes is 'One row per contact that entered, changed in or left a segment in a window';
comment on column segment_changes.account is 'Account name from the settings';
comment on column segment_changes.segment_id is 'Emarsys segment id';
comment on column segment_changes.window_start is 'Start of the window';
comment on column segment_changes.contact_id is 'Internal Emarsys contact id';
comment on column segment_changes.operation is 'new, changed or left';
comment on column segment_changes.changed_fields is 'The properties that differ from the row before';

-- one row per step in a person's consent
create view consent_history as
select
    identity_id, happened_at, step_number, step, channel, status, reported_status, source,
    resolved_by, occurred_at, received_at, event_id, account, contact_id, delta_id, attempt,
    old_value, value, reason, outcome, http_status, reply_code, reply_text, left_identity_id,
    joined_identity_id
from {{ tables }}.consent_steps;

comment on view consent_history is 'One row per step in a person''s consent: decision, delta, request, its answer, drift, merge or split; in order by happened_at, step_number, delta_id, attempt';
comment on column consent_history.identity_id is 'The person it speaks for; null while nobody is known';
comment on column consent_history.happened_at is 'When it happened, UTC: the decision, the derivation, the request, its answer; of merges the start of the window';
comment on column consent_history.step_number is 'Order of steps at the same instant';
comment on column consent_history.step is 'merge, split, decision, drift, delta, request, confirmation, refusal, supersession or silence (no answer came)';
comment on column consent_history.channel is 'Of a decision: for example whatsapp';
comment on column consent_history.status is 'Of a decision: granted, withdrawn, denied or unknown';
comment on column consent_history.reported_status is 'Of a decision: the status in the words of its origin';
comment on column consent_history.source is 'Of a decision: webhook, file or command; erased when the person was';
comment on column consent_history.resolved_by is 'Of a decision: what led to the person: platform contact, phone or email';
comment on column consent_history.occurred_at is 'Of a decision: when the person decided, UTC';
comment on column consent_history.received_at is 'Of a decision: when it became durable here, UTC';
comment on column consent_history.event_id is 'The decision, or the one that decides';
comment on column consent_history.account is 'Account name from the settings';
comment on column consent_history.contact_id is 'Internal Emarsys contact id';
comment on column consent_history.delta_id is 'The change; joins opt_in_deliveries';
comment on column consent_history.attempt is 'Which attempt at the change it was, from 1';
comment on column consent_history.old_value is 'The field as last known before, or as found';
comment on column consent_history.value is 'The value to write, or expected';
comment on column consent_history.reason is 'Of a delta: granted, withdrawn, stitched or reconciled';
comment on column consent_history.outcome is 'Of an answer: accepted, rejected, unknown or superseded';
comment on column consent_history.http_status is 'Of an answer: HTTP status';
comment on column consent_history.reply_code is 'Of an answer: Emarsys reply code';
comment on column consent_history.reply_text is 'Of an answer: Emarsys text';
comment on column consent_history.left_identity_id is 'Of a merge or split: the identity that records left';
comment on column consent_history.joined_identity_id is 'Of a merge or split: the identity that records joined';

-- one row per person and channel
create view consent_status as
select identity_id, channel, status, event_id, occurred_at, received_at from {{ tables }}.consent_status;

comment on view consent_status is 'One row per person and channel: the decision that holds';
comment on column consent_status.identity_id is 'Joins identities';
comment on column consent_status.channel is 'For example whatsapp';
comment on column consent_status.status is 'granted, withdrawn or denied';
comment on column consent_status.event_id is 'The deciding event; joins consent_history';
comment on column consent_status.occurred_at is 'When the person decided, UTC';
comment on column consent_status.received_at is 'When the decision became durable here, UTC';

-- one row per opt-in delta
create view opt_in_deliveries as
select
    window_start, delta_id, account, contact_id, identity_id, old_value, new_value, reason,
    event_id, derived_at, outcome, attempts, is_retryable, retry_at, http_status, reply_code,
    reply_text, remedy, intended_at, settled_at
from {{ tables }}.opt_in_deliveries;

comment on view opt_in_deliveries is 'One row per opt-in value that had to reach Emarsys, and where its delivery stands';
comment on column opt_in_deliveries.window_start is 'Start of the window that derived it';
comment on column opt_in_deliveries.delta_id is 'Stable id of the change';
comment on column opt_in_deliveries.account is 'Account name from the settings';
comment on column opt_in_deliveries.contact_id is 'Internal Emarsys contact id';
comment on column opt_in_deliveries.identity_id is 'The person whose decision it carries';
comment on column opt_in_deliveries.old_value is 'The field as last known before';
comment on column opt_in_deliveries.new_value is 'The value to write';
comment on column opt_in_deliveries.reason is 'granted, withdrawn, stitched or reconciled';
comment on column opt_in_deliveries.event_id is 'The deciding event; joins consent_history';
comment on column opt_in_deliveries.derived_at is 'When the change was derived, UTC';
comment on column opt_in_deliveries.outcome is 'pending, sending, accepted, rejected, unknown or superseded';
comment on column opt_in_deliveries.attempts is 'Requests that carried it';
comment on column opt_in_deliveries.is_retryable is 'Whether a rejection will be tried again';
comment on column opt_in_deliveries.retry_at is 'When the next attempt is due, UTC';
comment on column opt_in_deliveries.http_status is 'HTTP status of the last attempt';
comment on column opt_in_deliveries.reply_code is 'Emarsys reply code of the last attempt';
comment on column opt_in_deliveries.reply_text is 'Emarsys text of the last attempt';
comment on column opt_in_deliveries.remedy is 'What to do about a rejection';
comment on column opt_in_deliveries.intended_at is 'When the last request was built, UTC';
comment on column opt_in_deliveries.settled_at is 'When its outcome was known, UTC';

-- one row per contact upsert
create view contact_upserts as
select
    window_start, upsert_id, identity_id, operation, merged_into, emarsys_contacts,
    platform_contact_ids, phone_numbers, email_addresses, properties, changed_properties,
    derived_at, outcome, attempts, is_retryable, retry_at, http_status, reply_text, remedy,
    intended_at, settled_at
from {{ tables }}.contact_upsert_deliveries;

comment on view contact_upserts is 'One row per new, changed or retired golden record that the messaging side had to learn of, and where its delivery over HTTP stands';
comment on column contact_upserts.window_start is 'Start of the window whose stitching wrote the golden record';
comment on column contact_upserts.upsert_id is 'Stable id of the upsert';
comment on column contact_upserts.identity_id is 'The person; joins identities while it is not retired';
comment on column contact_upserts.operation is 'new, changed or retired';
comment on column contact_upserts.merged_into is 'Of a retired person: the one its contacts belong to since';
comment on column contact_upserts.emarsys_contacts is 'Emarsys contacts of the person';
comment on column contact_upserts.platform_contact_ids is 'Messaging-side contacts of the person when the upsert was derived';
comment on column contact_upserts.phone_numbers is 'All valid phone numbers of the person, E.164';
comment on column contact_upserts.email_addresses is 'All valid e-mail addresses of the person';
comment on column contact_upserts.properties is 'JSON: value by property; null says that a value told before is gone';
comment on column contact_upserts.changed_properties is 'What differs from the upsert before';
comment on column contact_upserts.derived_at is 'When the upsert was derived, UTC';
comment on column contact_upserts.outcome is 'pending (also while delivery is off), not needed, sending, accepted, rejected, unknown, repeated, unsent or superseded';
comment on column contact_upserts.attempts is 'Requests that were built for it';
comment on column contact_upserts.is_retryable is 'Whether it will be tried again; a rejection without is a dead letter';
comment on column contact_upserts.retry_at is 'When the next attempt is due, UTC';
comment on column contact_upserts.http_status is 'HTTP status of the last attempt';
comment on column contact_upserts.reply_text is 'What the platform said, without personal data';
comment on column contact_upserts.remedy is 'What to do about a rejection';
comment on column contact_upserts.intended_at is 'When the last request was built, UTC';
comment on column contact_upserts.settled_at is 'When its outcome was known, UTC';

-- one row per value that could not be converted
create view rejected_values as
select account, segment_id, window_start, contact_id, property, field_id, raw_value, reason
from {{ tables }}.rejected_values;

comment on view rejected_values is 'One row per delivered value that could not be converted; its contact lives on without it';
comment on column rejected_values.account is 'Account name from the settings';
comment on column rejected_values.segment_id is 'Emarsys segment id';
comment on column rejected_values.window_start is 'Start of the window';
comment on column rejected_values.contact_id is 'Internal Emarsys contact id';
comment on column rejected_values.property is 'The mapped property';
comment on column rejected_values.field_id is 'The Emarsys field';
comment on column rejected_values.raw_value is 'The value as Emarsys wrote it';
comment on column rejected_values.reason is 'Why it could not be converted';

-- one row per link that is held back
create view quarantined_links as
select
    (select max(window_start) from {{ tables }}.identity_stitches) as window_start,
    kind,
    value,
    records,
    reason,
    source,
    account,
    contact_id,
    decision_id
from {{ tables }}.quarantined_links;

comment on view quarantined_links is 'One row per identifier that links nobody, and per contact that an identifier does not link';
comment on column quarantined_links.window_start is 'Start of the newest stitched window';
comment on column quarantined_links.kind is 'phone or email';
comment on column quarantined_links.value is 'The identifier';
comment on column quarantined_links.records is 'Contacts that hold it';
comment on column quarantined_links.reason is 'The guard or decision that held it back';
comment on column quarantined_links.source is 'Set where it is held back for one contact only: emarsys or platform';
comment on column quarantined_links.account is 'That contact''s account; empty for the messaging side';
comment on column quarantined_links.contact_id is 'That contact''s id; null where it is held back for everybody';
comment on column quarantined_links.decision_id is 'The decision behind it; null while nobody has decided';

-- one row per decision about identities
create view identity_decisions as
select
    decisions.decision_id, decisions.decided_at, decisions.action, decisions.author,
    decisions.reason, decisions.source, decisions.account, decisions.contact_id,
    decisions.other_source, decisions.other_account, decisions.other_contact_id, decisions.kind,
    decisions.value, decisions.revoked_decision_id, decisions.window_start,
    in_force.decision_id is not null as is_in_force
from {{ tables }}.identity_decisions as decisions
left join {{ tables }}.decisions_in_force as in_force using (decision_id);

comment on view identity_decisions is 'One row per decision of a person about identities: the ledger';
comment on column identity_decisions.decision_id is 'Id, for emarsys-pipeline identities revoke';
comment on column identity_decisions.decided_at is 'When it was decided, UTC';
comment on column identity_decisions.action is 'split, join, block, release, confirm or revoke';
comment on column identity_decisions.author is 'Who decided';
comment on column identity_decisions.reason is 'Why';
comment on column identity_decisions.source is 'Source of the contact it is about';
comment on column identity_decisions.account is 'Account of that contact';
comment on column identity_decisions.contact_id is 'Id of that contact';
comment on column identity_decisions.other_source is 'Source of the other contact of a split or join';
comment on column identity_decisions.other_account is 'Account of the other contact';
comment on column identity_decisions.other_contact_id is 'Id of the other contact';
comment on column identity_decisions.kind is 'phone or email, where it is about an identifier';
comment on column identity_decisions.value is 'That identifier';
comment on column identity_decisions.revoked_decision_id is 'The decision that a revoke takes back';
comment on column identity_decisions.window_start is 'Start of the first window that obeys it';
comment on column identity_decisions.is_in_force is 'Whether stitching obeys it: neither revoked nor followed by another on the same subject';

-- one row per pair of contacts of a person, in both directions: the shortest path of shared
-- identifiers. Of equally short ones, the first in the order of its words.
create view identity_paths as
with recursive links as (
    select identity_id, concat_ws(':', source, nullif(account, ''), contact_id) as contact, kind,
        value, words
    from {{ tables }}.identity_links
),

steps as (
    select
        one.identity_id,
        one.contact as from_contact,
        other.contact as to_contact,
        min(one.contact || ' and ' || other.contact || ' ' || one.words) as words
    from links as one
    inner join links as other using (identity_id, kind, value)
    where one.contact <> other.contact
    group by one.identity_id, one.contact, other.contact
),

paths using key (identity_id, from_contact, to_contact) as (
    select identity_id, from_contact, to_contact, 1 as links, words as path
    from steps
    union
    select
        paths.identity_id,
        paths.from_contact,
        steps.to_contact,
        min(paths.links) + 1 as links,
        min(paths.path || '; ' || steps.words) as path
    from paths
    inner join steps
        on steps.identity_id = paths.identity_id and steps.from_contact = paths.to_contact
    left join recurring.paths as known
        on
            known.identity_id = paths.identity_id
            and known.from_contact = paths.from_contact
            and known.to_contact = steps.to_contact
    where steps.to_contact <> paths.from_contact and known.identity_id is null
    group by paths.identity_id, paths.from_contact, steps.to_contact
)

select identity_id, from_contact, to_contact, links, path
from paths;

comment on view identity_paths is 'One row per two contacts of a person, in both directions: the shortest path of shared identifiers that joins them, in words';
comment on column identity_paths.identity_id is 'Joins identities';
comment on column identity_paths.from_contact is 'Where the path begins: source:account:contact_id';
comment on column identity_paths.to_contact is 'Where it ends';
comment on column identity_paths.links is 'Links of the path: 1 when the two share an identifier';
comment on column identity_paths.path is 'The links in words';

-- one row per import
create view segment_imports as
select
    account, segment_id, window_start, mode, requested_at, landed_at, members, rows_delivered,
    entered, departed, changed, api_calls, bytes_downloaded, seconds
from {{ tables }}.segment_imports;

comment on view segment_imports is 'One row per landed import of a segment in a window';
comment on column segment_imports.account is 'Account name from the settings';
comment on column segment_imports.segment_id is 'Emarsys segment id';
comment on column segment_imports.window_start is 'Start of the window';
comment on column segment_imports.mode is 'full, changes or superseded';
comment on column segment_imports.requested_at is 'When the import began to ask, UTC';
comment on column segment_imports.landed_at is 'When its rows were committed, UTC';
comment on column segment_imports.members is 'Contacts in the segment';
comment on column segment_imports.rows_delivered is 'Rows that the import stored';
comment on column segment_imports.entered is 'Contacts that entered the segment';
comment on column segment_imports.departed is 'Contacts that left the segment';
comment on column segment_imports.changed is 'Members reported as changed';
comment on column segment_imports.api_calls is 'Requests sent to Emarsys';
comment on column segment_imports.bytes_downloaded is 'Bytes of export files';
comment on column segment_imports.seconds is 'Wall-clock seconds';

-- one row per call of an automation
create view automation_events as
select
    window_start, message_id, inbox_sequence, received_at, occurred_at, account, event_name,
    identity_id, resolved_by, contact_id, external_id, program_id, contact_list_id, payload, source
from {{ tables }}.resolved_automation_events;

comment on view automation_events is 'One row per call of a webhook node in an Emarsys automation';
comment on column automation_events.window_start is 'Start of the window in which it arrived';
comment on column automation_events.message_id is 'Id of the call; a second one with it is ignored';
comment on column automation_events.inbox_sequence is 'Position in the inbox: the order of arrival';
comment on column automation_events.received_at is 'When the call became durable here, UTC';
comment on column automation_events.occurred_at is 'When Emarsys says it happened, else when it arrived, UTC';
comment on column automation_events.account is 'Account name from the settings';
comment on column automation_events.event_name is 'What the customer called the event; null if unnamed';
comment on column automation_events.identity_id is 'The person it is about; joins identities; null while nobody is known';
comment on column automation_events.resolved_by is 'What led to the person: emarsys contact, platform contact, phone or email';
comment on column automation_events.contact_id is 'Internal Emarsys contact id, if the call names it';
comment on column automation_events.external_id is 'External reference id, if the call names one';
comment on column automation_events.program_id is 'The Emarsys program that called';
comment on column automation_events.contact_list_id is 'The contact list that a legacy call is about';
comment on column automation_events.payload is 'The whole call as JSON';
comment on column automation_events.source is 'webhook or file';

-- one row per difference that a reconciliation found
create view opt_in_drift as
select
    drift.account, drift.contact_id, drift.identity_id, drift.expected, drift.found,
    drift.found_at, drift.event_id,
    min(repairs.settled_at) filter (repairs.outcome = 'accepted') as repaired_at
from {{ tables }}.opt_in_drift as drift
left join {{ tables }}.opt_in_deliveries as repairs
    on
        repairs.account = drift.account
        and repairs.contact_id = drift.contact_id
        and repairs.field_id = drift.field_id
        and repairs.derived_at >= drift.found_at
group by all;

comment on view opt_in_drift is 'One row per contact whose opt-in field, read back, was not what its person decided';
comment on column opt_in_drift.account is 'Account name from the settings';
comment on column opt_in_drift.contact_id is 'Internal Emarsys contact id';
comment on column opt_in_drift.identity_id is 'The person; joins identities';
comment on column opt_in_drift.expected is 'The value that the ledger says';
comment on column opt_in_drift.found is 'The value that Emarsys held; null if empty';
comment on column opt_in_drift.found_at is 'When it was read, UTC';
comment on column opt_in_drift.event_id is 'The deciding event; joins consent_history';
comment on column opt_in_drift.repaired_at is 'When Emarsys took the right value, UTC; null while it has not';
