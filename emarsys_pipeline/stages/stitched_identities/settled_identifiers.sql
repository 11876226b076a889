-- Reads quarantined_links, pair_changes and active_decisions; makes settled_identifiers, one row per
-- identifier that links nobody now as before, and stands for several identities whatever the window brings:
-- as many hold it, now and before, as no identity may have. Only decisions make larger ones.
create temp table settled_identifiers as
with gains as (
    select kind, value, sum(case when is_added then 1 else -1 end) as gained
    from pair_changes
    group by kind, value
)

select links.kind, links.value, coalesce(gains.gained, 0) as gained
from quarantined_links as links
left join gains using (kind, value)
where
    links.contact_id is null
    and links.reason <> $too_large
    and least(links.records, links.records + coalesce(gains.gained, 0)) > $max_records
    and not exists (
        select 1 from active_decisions where action in ('join', 'release')
    );
