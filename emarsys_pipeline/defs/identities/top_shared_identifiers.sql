-- Reads quarantined_links; gives the identifiers that most contacts hold, masked. One that is held by
-- more than the cap allows is always among them.
select
    case kind
        when 'phone' then value[:3] || '…' || value[-2:]
        else value[1] || '…@' || split_part(value, '@', 2)
    end as identifier,
    max(records) as contacts,
    min(reason) as reason
from quarantined_links
group by kind, value
order by contacts desc, kind, value
limit 10;
