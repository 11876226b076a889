-- Reads components, record_identifiers, shared_identifiers and decided_pairs; adds to
-- cut_links the links of contacts whose phone leads to one messaging-side person and whose e-mail to
-- another: one row per contact and identifier. Messaging-side contacts that share an identifier with
-- each other, or that somebody joined, are one person. Their keys are negative, as records.sql says.
insert into cut_links by name
with several as (
    select component
    from components
    where record_key < 0
    group by component
    having count(*) > 1
),

held as (
    select
        held.record_key,
        held.kind,
        held.value,
        shared.is_released,
        held.record_key < 0 as is_platform
    from components
    semi join several using (component)
    inner join record_identifiers as held using (record_key)
    inner join shared_identifiers as shared using (kind, value)
    anti join cut_links as cut
        on
            cut.record_key = held.record_key
            and cut.kind = held.kind
            and cut.value = held.value
    where shared.is_link
),

same_people as (
    select one.record_key, other.record_key as other_record_key
    from held as one
    inner join held as other using (kind, value)
    where one.is_platform and other.is_platform
    union
    select record_key, other_record_key from decided_pairs where action = 'join'
    union
    select other_record_key, record_key from decided_pairs where action = 'join'
),

pointing as (
    select
        held.record_key,
        held.kind,
        held.value,
        held.is_released,
        people.record_key as person_key
    from held
    inner join held as people using (kind, value)
    where not held.is_platform and people.is_platform
),

reconciled as (
    select distinct phones.record_key
    from pointing as phones
    inner join pointing as emails
        on emails.record_key = phones.record_key and emails.kind = 'email'
    inner join same_people
        on
            same_people.record_key = phones.person_key
            and same_people.other_record_key = emails.person_key
    where phones.kind = 'phone'
),

conflicting as (
    select record_key
    from pointing
    anti join reconciled using (record_key)
    group by record_key
    having count(distinct kind) = 2
)

select distinct
    record_key,
    kind,
    value,
    'phone and e-mail lead to different messaging-side contacts' as reason
from pointing
semi join conflicting using (record_key)
where not is_released and list_contains($kinds, kind);
