-- Writes: export_intents. Closes what a killed run left open for the same account, kind and segment:
-- in this window, or in another one and so long ago that no run can be waiting for it.
update export_intents
set state = 'abandoned', finished_at = $finished_at
where account = $account
    and kind = $kind
    and segment_id is not distinct from $segment_id
    and state in ('intended', 'started')
    and (window_start = $window_start or intended_at < $given_up_before)
