-- Reads quarantined_links; gives one row per link that is held back: those without a decision first,
-- then those that most contacts hold.
select
    kind,
    value,
    records,
    nullif(concat_ws(':', source, nullif(account, ''), contact_id), '') as contact,
    reason,
    decision_id
from quarantined_links
order by decision_id is not null, records desc, kind, value, contact
limit $limit;
