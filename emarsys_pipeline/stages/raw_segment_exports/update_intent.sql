-- Writes: export_intents, the state of one intent; its export id is known from 'started' on.
update export_intents
set
    state = $state,
    export_id = coalesce($export_id, export_id),
    started_at = case when $state = 'started' then $at else started_at end,
    finished_at = case when $state = 'started' then null else $at end
where account = $account and window_start = $window_start and intent_id = $intent_id
