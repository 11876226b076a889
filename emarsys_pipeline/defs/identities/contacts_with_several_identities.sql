-- Reads identity_members; one row: the number of contacts that are listed more than once.
select count(*) as contacts
from (
    select source, account, contact_id
    from identity_members
    group by source, account, contact_id
    having count(*) > 1
)
