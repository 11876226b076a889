-- Writes: export_intents, one row per export that is about to be asked for.
insert into export_intents by name
select
    $account as account,
    $window_start as window_start,
    $intent_id as intent_id,
    $kind as kind,
    $segment_id as segment_id,
    'intended' as state,
    null as export_id,
    $intended_at as intended_at,
    null as started_at,
    null as finished_at,
    $run_id as run_id
