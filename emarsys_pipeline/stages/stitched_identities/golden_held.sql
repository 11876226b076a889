-- Reads golden_members, {{ contacts }}, {{ platform_records }} and platform_contacts; makes golden_held,
-- one row per contact of the touched identities with its values. Columns that are not in the result begin
-- with an underscore, as no property does.
create temp {{ view_or_table }} golden_held as
select
    members.identity_id,
    members.touched_at as _touched_at,
    members.is_several as _is_several,
    members.source as _source,
    members.account,
    members.contact_id,
    members.first_window_start,
    contacts.is_member,
    contacts.window_start,
    contacts.phone_numbers,
    contacts.email_addresses
    {{ emarsys_values }}
from golden_members as members
inner join {{ contacts }} as contacts
    on contacts.account = members.account and contacts.contact_id = members.contact_id
where members.source = 'emarsys'
union all by name
select
    members.identity_id,
    members.touched_at as _touched_at,
    members.is_several as _is_several,
    members.source as _source,
    members.account,
    members.contact_id,
    members.first_window_start,
    true as is_member,
    messages.window_start,
    [number for number in [contacts.phone_number] if number is not null] as phone_numbers,
    [address for address in [contacts.email_address] if address is not null] as email_addresses
    {{ platform_values }}
from golden_members as members
inner join {{ platform_records }} as contacts on contacts.contact_id = members.contact_id
inner join platform_contacts as messages on messages.rowid = contacts.message_key
where members.source = 'platform';
