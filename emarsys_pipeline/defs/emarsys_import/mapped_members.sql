-- Reads raw_segment_exports, segment_imports and mapped_contacts; gives one row on a segment at the end
-- of a window: its contacts by raw rows since the last full import, and by mapped rows. Contacts of
-- erased people are in neither, though Emarsys still lists them.
with last_full as (
    select max(window_start) as window_start
    from segment_imports
    where account = $account
        and segment_id = $segment_id
        and mode = 'full'
        and window_start <= $window_start
),

raw_members as (
    select raw.contact_id
    from raw_segment_exports as raw, last_full
    where raw.account = $account
        and raw.segment_id = $segment_id
        and raw.window_start between last_full.window_start and $window_start
    group by raw.contact_id
    having max_by(raw.kind, raw.window_start) not in ('left', 'passed')
),

mapped_members as (
    select contact_id
    from mapped_contacts
    where account = $account and segment_id = $segment_id and window_start <= $window_start
    group by contact_id
    having max_by(operation, window_start) <> 'left'
)

select (select count(*) from raw_members), (select count(*) from mapped_members)
