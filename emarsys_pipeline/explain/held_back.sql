-- Reads identity_members, current_contacts, platform_contacts and quarantined_links; gives one row per
-- identifier that records of two identities hold and that is held back.
with holders as (
    select members.identity_id, unnest(contacts.phone_numbers) as value
    from identity_members as members
    inner join current_contacts as contacts using (account, contact_id)
    where
        members.source = 'emarsys'
        and members.identity_id in ($identity_id, $other_identity_id)
    union all
    select members.identity_id, unnest(contacts.email_addresses) as value
    from identity_members as members
    inner join current_contacts as contacts using (account, contact_id)
    where
        members.source = 'emarsys'
        and members.identity_id in ($identity_id, $other_identity_id)
    union all
    select
        members.identity_id,
        unnest([contacts.phone_number, contacts.email_address]) as value
    from identity_members as members
    inner join platform_contacts as contacts
        on contacts.platform_contact_id = members.contact_id
    where
        members.source = 'platform'
        and members.identity_id in ($identity_id, $other_identity_id)
),

common as (
    select value
    from holders
    where $identity_id <> $other_identity_id
    group by value
    having count(distinct identity_id) = 2
)

select distinct
    quarantined.kind,
    quarantined.value,
    quarantined.reason,
    quarantined.decision_id
from quarantined_links as quarantined
semi join common using (value)
order by all;
