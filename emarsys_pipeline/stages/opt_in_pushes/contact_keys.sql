-- Reads current_contacts, identity_members, identity_identifiers and wanted_keys (contact ids);
-- writes contact_keys, one row per wanted contact that has a value in this key field. A value that
-- links nobody (blocked, shared by too many) names nobody here either.
insert into contact_keys
select
    contacts.contact_id,
    $preference as preference,
    $key_field_id as key_field_id,
    trim(contacts.{{ property }}::varchar) as key_value
from current_contacts as contacts
inner join identity_members as members
    on
        members.source = 'emarsys'
        and members.account = contacts.account
        and members.contact_id = contacts.contact_id
where
    contacts.account = $account
    and contacts.contact_id in (select wanted_keys.contact_id from wanted_keys)
    and trim(contacts.{{ property }}::varchar) <> ''
    and exists (
        select 1
        from identity_identifiers as identifiers
        where
            identifiers.identity_id = members.identity_id
            and identifiers.kind = $kind
            and list_contains(
                case when $kind = 'email' then contacts.email_addresses else contacts.phone_numbers end,
                identifiers.value
            )
    );
