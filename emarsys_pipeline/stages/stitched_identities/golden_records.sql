-- Reads identity_members, current_contacts, platform_contacts and touched; writes identities, one
-- row per touched identity. Ties are broken by the complete order in ranked. Columns that are not in
-- the result begin with an underscore, as no property does.
insert into identities by name
with platform as (
    select *
    from platform_contacts
    where window_start <= $window_start
    qualify row_number() over (
        partition by platform_contact_id
        order by is_deleted, updated_at desc, received_at desc, inbox_sequence desc
    ) = 1
),

held as (
    select
        members.identity_id,
        members.source as _source,
        members.account,
        members.contact_id,
        members.first_window_start,
        contacts.is_member,
        contacts.window_start,
        contacts.phone_numbers,
        contacts.email_addresses
        {{ emarsys_values }}
    from identity_members as members
    inner join current_contacts as contacts
        on contacts.account = members.account and contacts.contact_id = members.contact_id
    where members.source = 'emarsys' and members.identity_id in (select touched.identity_id from touched)
    union all by name
    select
        members.identity_id,
        members.source as _source,
        members.account,
        members.contact_id,
        members.first_window_start,
        true as is_member,
        contacts.window_start,
        [phone for phone in [contacts.phone_number] if phone is not null] as phone_numbers,
        [email for email in [contacts.email_address] if email is not null] as email_addresses
        {{ platform_values }}
    from identity_members as members
    inner join platform as contacts
        on contacts.platform_contact_id = members.contact_id
    where members.source = 'platform' and members.identity_id in (select touched.identity_id from touched)
),

ranked as (
    select
        *,
        row_number() over (
            partition by identity_id
            order by _source, is_member desc, window_start desc, account, contact_id
        ) as _preference
    from held
)

select
    identity_id,
    any_value(touched.window_start) as window_start,
    min(first_window_start) as first_window_start,
    count_if(_source = 'emarsys') as emarsys_contacts,
    count_if(_source = 'platform') as platform_contacts,
    list_sort(list_distinct(flatten(list(phone_numbers)))) as phone_numbers,
    list_sort(list_distinct(flatten(list(email_addresses)))) as email_addresses
    {{ best_values }}
from ranked
inner join touched using (identity_id)
group by identity_id;
