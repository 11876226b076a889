-- Reads: labelled (by contact, from an export), looked_up (more fields of those), fetched (whole
-- contacts by getdata), to_fetch (why each was fetched), members, previous, replaced (what an import
-- of the same window delivered before).
-- Gives: one row per contact delivered or departed. A contact that was to be
-- fetched and was not found has been deleted since: it counts as departed. One that the replaced
-- rows show to have entered in this window, and that is gone, has passed: its values are kept, so
-- that a contact once known does not vanish.
with delivered as (
    select
        labelled.contact_id,
        $labelled_kind as kind,
        'labels' as dialect,
        $exported_at as requested_at,
        $export_id as export_id
        {{ exported }}
        {{ looked_up }}
    from labelled
    {{ join_looked_up }}

    union all by name

    select
        fetched.contact_id,
        to_fetch.kind,
        'ids' as dialect,
        $fetched_at as requested_at,
        null as export_id
        {{ fetched }}
    from fetched
    join to_fetch using (contact_id)
),

departed as (
    select contact_id
    from previous
    where contact_id not in (select contact_id from delivered)
        and (
            $is_full
            or contact_id not in (select contact_id from members)
            or contact_id in (select contact_id from to_fetch)
        )
)

select * from delivered

union all by name

select
    contact_id,
    'left' as kind,
    null as dialect,
    $requested_at as requested_at,
    null as export_id
from departed

union all by name

select * replace ('passed' as kind)
from replaced
where $is_full
    and contact_id not in (select contact_id from delivered)
    and contact_id not in (select contact_id from previous)
