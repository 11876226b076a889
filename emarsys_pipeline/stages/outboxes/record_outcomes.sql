-- Reads verdicts, one row per {{ key }} of a batch; updates {{ pushes }}.
update {{ pushes }}
set
    {{ facts }},
    settled_at = case when verdicts.outcome <> 'unknown' then $now::timestamptz end
from verdicts
where
    {{ pushes }}.batch_id = $batch_id
    and {{ pushes }}.outcome in ('sending', 'unknown')
    and {{ pushes }}.{{ key }} = verdicts.{{ key }};
