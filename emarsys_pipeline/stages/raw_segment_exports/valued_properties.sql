-- Reads: current_contacts. Gives: one row with the number of the account's contacts, and for each
-- property how many of them have a value.
select count(*) {{ counts }}
from current_contacts
where account = $account
