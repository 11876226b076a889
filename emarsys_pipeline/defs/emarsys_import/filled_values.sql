-- Reads current_contacts; one row: how many members an account has, and how many have the value.
select count(*) as contacts, count({{ property }}) as filled
from current_contacts
where account = $account and is_member
