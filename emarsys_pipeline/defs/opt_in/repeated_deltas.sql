-- Reads opt_in_deltas; one row: how many delta ids occur more than once.
select count(*) as delta_ids
from (
    select delta_id
    from opt_in_deltas
    group by delta_id
    having count(*) > 1
)
