-- Reads: export_intents. Gives: one row per export of the same account, kind and segment that a
-- killed run left open, oldest first; the same ones that abandon_intents.sql closes.
select window_start, intended_at, export_id
from export_intents
where account = $account
    and kind = $kind
    and segment_id is not distinct from $segment_id
    and state in ('intended', 'started')
    and (window_start = $window_start or intended_at < $given_up_before)
order by intended_at, intent_id
