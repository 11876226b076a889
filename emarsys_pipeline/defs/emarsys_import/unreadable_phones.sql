-- Reads current_contacts; one row: the members of an account with something in a phone property, and
-- those of them of whom no number is valid.
select
    count(*) as written,
    count(*) filter (len(phone_numbers) = 0) as unreadable
from current_contacts
where account = $account and is_member and coalesce({{ properties }}) is not null
