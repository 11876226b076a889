-- Reads identity_members, current_contacts, platform_contacts and opt_in_readings; gives one row
-- per record of the identity, in the order that decides its id.
with platform as (
    select platform_contact_id, phone_number, email_address
    from platform_contacts
    qualify row_number() over (
        partition by platform_contact_id
        order by is_deleted, updated_at desc, received_at desc, inbox_sequence desc
    ) = 1
)

select
    members.source,
    members.account,
    members.contact_id,
    members.first_window_start,
    coalesce(
        contacts.phone_numbers,
        [number for number in [platform.phone_number] if number is not null]
    ) as phone_numbers,
    coalesce(
        contacts.email_addresses,
        [address for address in [platform.email_address] if address is not null]
    ) as email_addresses,
    readings.value as opt_in_value
from identity_members as members
left join current_contacts as contacts
    on
        members.source = 'emarsys'
        and contacts.account = members.account
        and contacts.contact_id = members.contact_id
left join platform
    on members.source = 'platform' and platform.platform_contact_id = members.contact_id
left join opt_in_readings as readings
    on
        members.source = 'emarsys'
        and readings.account = members.account
        and readings.contact_id = members.contact_id
where members.identity_id = $identity_id
order by members.first_window_start, members.source, members.account, members.contact_id;
