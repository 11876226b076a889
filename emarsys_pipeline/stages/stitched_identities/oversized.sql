-- Reads components; gives one row per record of a component with more than max_records.
select record_key
from components
where component in (
    select component from components group by component having count(*) > $max_records
)
order by record_key;
