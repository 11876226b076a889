-- Reads: current_contacts, current_before. Gives: the number of contacts of the account whose current
-- row is not what it was.
select count(distinct contact_id)
from (
    (
        select * from current_contacts where account = $account
        except all
        select * from current_before
    )
    union all
    (
        select * from current_before
        except all
        select * from current_contacts where account = $account
    )
)
