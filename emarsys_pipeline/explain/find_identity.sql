-- Reads identity_members, identity_aliases and identity_identifiers; gives one row per identity
-- that the name stands for.
select identity_id from identity_members where identity_id = $name
union
select identity_id from identity_aliases where retired_identity_id = $name
union
select identity_id
from identity_members
where contact_id = $name or concat_ws(':', source, nullif(account, ''), contact_id) = $name
union
select identity_id
from identity_identifiers
where
    (kind = 'phone' and list_contains($phone_numbers::varchar[], value))
    or (kind = 'email' and value = $email_address)
order by identity_id;
