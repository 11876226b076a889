-- Reads incoming (messages of one kind) and the person's tables; gives one row per message about the
-- person, with the id and the own identifiers of the person as the message wrote them.
with named as (
    select
        sequence,
        {{ names }}
    from incoming
),

normalised as (
    select
        *,
        coalesce(
            case
                when regexp_full_match(phone, '[1-9][0-9]{7,14}')
                    then normalise_phone('+' || phone, $region)
            end,
            normalise_phone(phone, $region)
        ) as phone_number,
        normalise_email(email) as email_address
    from named
)

select
    sequence,
    event_id,
    case
        when row('phone', phone_number) in (
            select row(people.kind, people.value) from erasing_identifiers as people
        ) then phone
    end as phone,
    case
        when row('email', email_address) in (
            select row(people.kind, people.value) from erasing_identifiers as people
        ) then email
    end as email
from normalised
where
    row('platform', '', platform_contact_id) in (
        select row(people.source, people.account, people.contact_id)
        from erasing_contacts as people
    )
    or row('emarsys', account, contact_id) in (
        select row(people.source, people.account, people.contact_id)
        from erasing_contacts as people
    )
    or row('phone', phone_number) in (
        select row(people.kind, people.value) from erasing_identifiers as people
    )
    or row('email', email_address) in (
        select row(people.kind, people.value) from erasing_identifiers as people
    )
    or event_id in (select people.event_id from erasing_events as people)
order by sequence;
