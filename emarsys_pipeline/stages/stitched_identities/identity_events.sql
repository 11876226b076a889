-- Reads assignments and identity_map; writes identity_events, one row per pair of identities
-- between which records moved: a merge when the identity they left has ended, else a split.
insert into identity_events by name
select
    $window_start::timestamptz as window_start,
    case
        when previous_identity_id in (select identity_map.identity_id from identity_map)
            then 'split'
        else 'merge'
    end as event,
    previous_identity_id as identity_id,
    identity_id as other_identity_id,
    count(*) as records
from assignments
where previous_identity_id is not null
group by previous_identity_id, identity_id;
