-- Reads erasing_contacts, erasing_identifiers, platform_contacts and rejected_values; gives the phone
-- numbers and addresses of the person as somebody wrote them, also those that are not valid; not
-- what somebody else wrote as well, such as a row of zeros.
with written as (
    select
        phone as text, 'phone' as kind, phone_number as value, 'platform' as source, '' as account,
        platform_contact_id as contact_id
    from platform_contacts
    union
    select
        email as text, 'email' as kind, email_address as value, 'platform' as source, '' as account,
        platform_contact_id as contact_id
    from platform_contacts
    union
    select
        raw_value as text, split_part(reason, '_', 1) as kind, null as value, 'emarsys' as source,
        account, contact_id
    from rejected_values
    where split_part(reason, '_', 1) in ('phone', 'email')
),

owned as (
    select
        written.*,
        people.contact_id is not null as is_theirs
    from written
    left join erasing_contacts as people using (source, account, contact_id)
    where
        text is not null
        and (contains(text, '@') or len(regexp_replace(text, '[^0-9]', '', 'g')) >= 6)
)

select text
from owned
group by text
having
    bool_and(is_theirs)
    and bool_and(
        value is null
        or row(kind, value) in (
            select row(people.kind, people.value) from erasing_identifiers as people
        )
    )
order by text;
