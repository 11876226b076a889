-- Writes: export_intents. Closes what a killed run left open for the same account, window, kind
-- and segment.
update export_intents
set state = 'abandoned', finished_at = $finished_at
where account = $account
    and window_start = $window_start
    and kind = $kind
    and segment_id is not distinct from $segment_id
    and state in ('intended', 'started')
