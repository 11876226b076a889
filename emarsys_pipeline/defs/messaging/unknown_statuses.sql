-- Reads consent_events; one row per status that decides nothing, in the words of its origin.
select reported_status, count(*) as events
from consent_events
where status = 'unknown'
group by reported_status
order by events desc, reported_status
limit 20
