-- Reads identity_members, current_contacts, platform_contacts and the chosen identities; gives the
-- beginning of a query, whose table held has one row per contact of these identities. Columns that
-- are not in the result begin with an underscore, as no property does.
with chosen_members as (
    select members.identity_id, members.source, members.account, members.contact_id,
        members.first_window_start
    from identity_members as members
    where members.identity_id in (select chosen.identity_id from {{ chosen }} as chosen)
),

platform as (
    select *
    from platform_contacts
    where
        window_start <= $window_start
        and platform_contact_id in (
            select members.contact_id
            from chosen_members as members
            where members.source = 'platform'
        )
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
    from chosen_members as members
    inner join current_contacts as contacts
        on contacts.account = members.account and contacts.contact_id = members.contact_id
    where members.source = 'emarsys'
    union all by name
    select
        members.identity_id,
        members.source as _source,
        members.account,
        members.contact_id,
        members.first_window_start,
        true as is_member,
        contacts.window_start,
        [number for number in [contacts.phone_number] if number is not null] as phone_numbers,
        [address for address in [contacts.email_address] if address is not null] as email_addresses
        {{ platform_values }}
    from chosen_members as members
    inner join platform as contacts
        on contacts.platform_contact_id = members.contact_id
    where members.source = 'platform'
)
