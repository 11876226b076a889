-- Views that the stages and the analysts share; made anew by each migration and publication.

-- one row per record whose identity was assigned or changed in the window
create or replace view {{ tables }}.stitched_identities as
select
    window_start, source, account, contact_id, identity_id, previous_identity_id, run_id
from {{ tables }}.identity_members
union all
select
    window_start, source, account, contact_id, identity_id, previous_identity_id, run_id
from {{ tables }}.former_members;

-- one row per consent event, with the identity that it speaks for (null while nobody is known).
-- The messaging side's own id decides first, then the phone number, then the e-mail address.
create or replace view {{ tables }}.resolved_consent_events as
with with_contact as (
    select events.*, members.identity_id
    from {{ tables }}.consent_events as events
    left join {{ tables }}.identity_members as members
        on members.source = 'platform' and members.contact_id = events.platform_contact_id
),

without_contact as (
    from with_contact where identity_id is null
),

-- Apart, because most decisions name a known contact: the others are few, and so are the identifiers
-- that they name. Joined one kind after the other, all identifiers of a kind would be hashed instead.
named_identifiers as (
    select identifiers.*
    from {{ tables }}.identity_identifiers as identifiers
    semi join (
        select 'phone' as kind, phone_number as value from without_contact
        union all
        select 'email' as kind, email_address as value from without_contact
    ) as named on named.kind = identifiers.kind and named.value = identifiers.value
)

select
    window_start,
    event_id,
    channel,
    status,
    reported_status,
    occurred_at,
    received_at,
    source,
    identity_id,
    'platform contact' as resolved_by
from with_contact
where identity_id is not null
union all
select
    window_start,
    event_id,
    channel,
    status,
    reported_status,
    occurred_at,
    received_at,
    source,
    coalesce(phones.identity_id, emails.identity_id) as identity_id,
    case
        when phones.identity_id is not null then 'phone'
        when emails.identity_id is not null then 'email'
    end as resolved_by
from without_contact as events
left join named_identifiers as phones
    on phones.kind = 'phone' and phones.value = events.phone_number
left join named_identifiers as emails
    on emails.kind = 'email' and emails.value = events.email_address;

-- one row per identity and channel: the decision that holds. The newest decision by
-- (occurred, received) wins; at the same instant a withdrawal wins, then the larger event id.
-- A status that is neither a grant nor a withdrawal decides nothing.
create or replace view {{ tables }}.consent_status as
select
    identity_id,
    channel,
    status,
    event_id,
    occurred_at,
    received_at,
    window_start
from {{ tables }}.resolved_consent_events
where identity_id is not null and status in ('granted', 'withdrawn', 'denied')
qualify row_number() over (
    partition by identity_id, channel
    order by occurred_at desc, received_at desc, status = 'granted', event_id desc
) = 1;

-- one row per delta: where its delivery stands. The newest attempt speaks for the delta; attempts
-- are numbered, so that a clock which is set back does not bring an older one forward. A refusal
-- that somebody asked to send again is as if it had not been.
create or replace view {{ tables }}.opt_in_deliveries as
with newest_attempts as (
    select *
    from {{ tables }}.opt_in_pushes
    qualify row_number() over (
        partition by delta_id
        order by attempt desc, outcome = 'superseded' desc, intended_at desc, batch_id desc
    ) = 1
),

replays as (
    select delta_id, max(attempt) as attempt
    from {{ tables }}.opt_in_replays
    group by delta_id
),

standing_attempts as (
    select newest_attempts.*
    from newest_attempts
    left join replays using (delta_id)
    where
        newest_attempts.outcome <> 'rejected'
        or newest_attempts.is_retryable
        or replays.attempt is null
        or replays.attempt < newest_attempts.attempt
)

select
    deltas.window_start,
    deltas.delta_id,
    deltas.account,
    deltas.contact_id,
    deltas.identity_id,
    deltas.field_id,
    deltas.old_value,
    deltas.new_value,
    deltas.reason,
    deltas.event_id,
    deltas.derived_at,
    coalesce(attempts.outcome, 'pending') as outcome,
    coalesce(newest_attempts.attempt, 0) as attempts,
    coalesce(attempts.is_retryable, true) as is_retryable,
    attempts.retry_at,
    attempts.http_status,
    attempts.reply_code,
    attempts.reply_text,
    attempts.remedy,
    attempts.key_field_id,
    attempts.intended_at,
    attempts.settled_at
from {{ tables }}.opt_in_deltas as deltas
left join newest_attempts using (delta_id)
left join standing_attempts as attempts using (delta_id);

-- one row per contact upsert: where its delivery over HTTP stands; pending while that is off. The
-- newest attempt speaks for the upsert. Not needed: what only the messaging side knows of a person
-- is nothing to tell it, nor that a person is gone of whom it was never told.
create or replace view {{ tables }}.contact_upsert_deliveries as
select
    upserts.*,
    coalesce(
        attempts.outcome,
        case
            when
                told.identity_id is not null
                or (upserts.operation <> 'retired' and upserts.emarsys_contacts > 0)
                then 'pending'
            else 'not needed'
        end
    ) as outcome,
    coalesce(attempts.attempt, 0) as attempts,
    coalesce(attempts.is_retryable, true) as is_retryable,
    attempts.retry_at,
    attempts.http_status,
    attempts.reply_text,
    attempts.remedy,
    attempts.intended_at,
    attempts.settled_at
from {{ tables }}.contact_upserts as upserts
left join (
    select *
    from {{ tables }}.contact_upsert_pushes
    qualify row_number() over (
        partition by upsert_id
        order by attempt desc, outcome = 'superseded' desc, intended_at desc, batch_id desc
    ) = 1
) as attempts on attempts.upsert_id = upserts.upsert_id
left join (
    select distinct identity_id
    from {{ tables }}.contact_upsert_pushes
    where outcome <> 'superseded'
) as told on told.identity_id = upserts.identity_id;

-- one row per identity that was merged away: the identity that its records belong to now
create or replace view {{ tables }}.identity_aliases as
with recursive retired as (
    select
        identity_id as retired_identity_id,
        other_identity_id as identity_id,
        window_start,
        1 as hops
    from {{ tables }}.identity_events
    where
        event = 'merge'
        and identity_id not in (select members.identity_id from {{ tables }}.identity_members as members)
    qualify row_number() over (
        partition by identity_id order by window_start desc, other_identity_id
    ) = 1
    union all
    select
        retired.retired_identity_id,
        events.other_identity_id as identity_id,
        events.window_start,
        retired.hops + 1 as hops
    from retired
    inner join {{ tables }}.identity_events as events
        on
            events.event = 'merge'
            and events.identity_id = retired.identity_id
            and events.window_start > retired.window_start
)

select retired_identity_id, identity_id, window_start
from retired
qualify row_number() over (
    partition by retired_identity_id order by window_start desc, hops desc, identity_id
) = 1;

-- one row per call of an automation, with the identity that it is about (null while nobody is
-- known). The Emarsys contact decides first (an external id may be one as well), then the messaging
-- side's own id, then the phone number, then the e-mail address.
create or replace view {{ tables }}.resolved_automation_events as
select
    events.*,
    coalesce(
        contacts.identity_id,
        externals.identity_id,
        platform.identity_id,
        phones.identity_id,
        emails.identity_id
    ) as identity_id,
    case
        when contacts.identity_id is not null then 'emarsys contact'
        when externals.identity_id is not null then 'emarsys contact'
        when platform.identity_id is not null then 'platform contact'
        when phones.identity_id is not null then 'phone'
        when emails.identity_id is not null then 'email'
    end as resolved_by
from {{ tables }}.automation_events as events
left join {{ tables }}.identity_members as contacts
    on
        contacts.source = 'emarsys'
        and contacts.account = events.account
        and contacts.contact_id = events.contact_id
left join {{ tables }}.identity_members as externals
    on
        externals.source = 'emarsys'
        and externals.account = events.account
        and externals.contact_id = events.external_id
left join {{ tables }}.identity_members as platform
    on platform.source = 'platform' and platform.contact_id = events.external_id
left join {{ tables }}.identity_identifiers as phones
    on phones.kind = 'phone' and phones.value = events.phone_number
left join {{ tables }}.identity_identifiers as emails
    on emails.kind = 'email' and emails.value = events.email_address;

-- one row per decision about identities that holds.
create or replace view {{ tables }}.decisions_in_force as
{{ decisions_in_force }};

-- one row per record and what links it to other records of its identity now: an identifier that they
-- share and no guard or decision holds back, or a decision that joined them.
create or replace view {{ tables }}.identity_links as
with platform as (
    select platform_contact_id, phone_number, email_address
    from {{ tables }}.platform_contacts
    qualify row_number() over (
        partition by platform_contact_id
        order by is_deleted, updated_at desc, received_at desc, inbox_sequence desc
    ) = 1
),

numbers as (
    select members.*, 'phone' as kind, unnest(contacts.phone_numbers) as value
    from {{ tables }}.identity_members as members
    inner join {{ tables }}.current_contacts as contacts using (account, contact_id)
    where members.source = 'emarsys'
    union all
    select members.*, 'email' as kind, unnest(contacts.email_addresses) as value
    from {{ tables }}.identity_members as members
    inner join {{ tables }}.current_contacts as contacts using (account, contact_id)
    where members.source = 'emarsys'
    union all
    select members.*, 'phone' as kind, platform.phone_number as value
    from {{ tables }}.identity_members as members
    inner join platform on platform.platform_contact_id = members.contact_id
    where members.source = 'platform' and platform.phone_number is not null
    union all
    select members.*, 'email' as kind, platform.email_address as value
    from {{ tables }}.identity_members as members
    inner join platform on platform.platform_contact_id = members.contact_id
    where members.source = 'platform' and platform.email_address is not null
),

held as (
    select distinct identity_id, source, account, contact_id, kind, value
    from numbers
    anti join {{ tables }}.quarantined_links as quarantined
        on
            quarantined.kind = numbers.kind
            and quarantined.value = numbers.value
            and (
                quarantined.contact_id is null
                or (
                    quarantined.source = numbers.source
                    and quarantined.account = numbers.account
                    and quarantined.contact_id = numbers.contact_id
                )
            )
)

select
    identity_id,
    source,
    account,
    contact_id,
    kind,
    value,
    'both hold ' || kind || ' ' || value as words
from held
qualify count(*) over (partition by identity_id, kind, value) > 1
union all
select
    members.identity_id,
    members.source,
    members.account,
    members.contact_id,
    'join' as kind,
    decisions.decision_id as value,
    'were joined by ' || decisions.author || ' (' || decisions.reason || ')' as words
from {{ tables }}.decisions_in_force as decisions
inner join {{ tables }}.identity_members as members
    on
        (
            members.source = decisions.source
            and members.account = decisions.account
            and members.contact_id = decisions.contact_id
        )
        or (
            members.source = decisions.other_source
            and members.account = decisions.other_account
            and members.contact_id = decisions.other_contact_id
        )
where decisions.action = 'join'
qualify count(*) over (partition by members.identity_id, decisions.decision_id) > 1;

-- one row per step in a person's consent: each decision, each value that had to reach Emarsys, each
-- request and its answer, each difference found when reading back, each merge or split. A step
-- belongs to the identity that its contact, or its retired identity, is part of now.
create or replace view {{ tables }}.consent_steps as
with persons as (
    select account, contact_id, identity_id
    from {{ tables }}.identity_members
    where source = 'emarsys'
),

moves as (
    select events.*, unnest([events.identity_id, events.other_identity_id]) as side
    from {{ tables }}.identity_events as events
),

attempts as (
    select
        pushes.*,
        coalesce(persons.identity_id, deltas.identity_id) as identity_id,
        deltas.event_id
    from {{ tables }}.opt_in_pushes as pushes
    left join {{ tables }}.opt_in_deltas as deltas using (delta_id)
    left join persons
        on persons.account = pushes.account and persons.contact_id = pushes.contact_id
)

select
    coalesce(aliases.identity_id, moves.side) as identity_id,
    moves.window_start as happened_at,
    1 as step_number,
    moves.event as step,
    null::varchar as channel,
    null::varchar as status,
    null::varchar as reported_status,
    null::varchar as source,
    null::varchar as resolved_by,
    null::timestamptz as occurred_at,
    null::timestamptz as received_at,
    null::varchar as event_id,
    null::varchar as account,
    null::varchar as contact_id,
    null::varchar as delta_id,
    null::integer as attempt,
    null::varchar as old_value,
    null::varchar as value,
    null::varchar as reason,
    null::varchar as outcome,
    null::integer as http_status,
    null::varchar as reply_code,
    null::varchar as reply_text,
    moves.identity_id as left_identity_id,
    moves.other_identity_id as joined_identity_id
from moves
left join {{ tables }}.identity_aliases as aliases on aliases.retired_identity_id = moves.side
group by all

union all by name

select
    identity_id,
    occurred_at as happened_at,
    2 as step_number,
    'decision' as step,
    channel,
    status,
    reported_status,
    source,
    resolved_by,
    occurred_at,
    received_at,
    event_id
from {{ tables }}.resolved_consent_events

union all by name

select
    persons.identity_id,
    drift.found_at as happened_at,
    3 as step_number,
    'drift' as step,
    drift.event_id,
    drift.account,
    drift.contact_id,
    drift.found as old_value,
    drift.expected as value
from {{ tables }}.opt_in_drift as drift
left join persons on persons.account = drift.account and persons.contact_id = drift.contact_id

union all by name

select
    coalesce(persons.identity_id, deltas.identity_id) as identity_id,
    deltas.derived_at as happened_at,
    4 as step_number,
    'delta' as step,
    deltas.event_id,
    deltas.account,
    deltas.contact_id,
    deltas.delta_id,
    deltas.old_value,
    deltas.new_value as value,
    deltas.reason
from {{ tables }}.opt_in_deltas as deltas
left join persons on persons.account = deltas.account and persons.contact_id = deltas.contact_id

union all by name

select
    identity_id,
    intended_at as happened_at,
    5 as step_number,
    'request' as step,
    event_id,
    account,
    contact_id,
    delta_id,
    attempt,
    value
from attempts
where outcome <> 'superseded'

union all by name

select
    identity_id,
    coalesce(settled_at, intended_at) as happened_at,
    6 as step_number,
    case
        when outcome = 'accepted' then 'confirmation'
        when outcome = 'rejected' then 'refusal'
        when outcome = 'superseded' then 'supersession'
        else 'silence'
    end as step,
    event_id,
    account,
    contact_id,
    delta_id,
    attempt,
    value,
    outcome,
    http_status,
    reply_code,
    reply_text
from attempts
where outcome <> 'sending';
