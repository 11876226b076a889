-- Reads records and components; makes identity_map, one row per record with its identity. A record
-- without a link is a person of its own. The first record of a component, and with it the id, is
-- decided by a complete order over the data.
create temp table identity_map as
with firsts as (
    select
        components.component,
        min(struct_pack(
            first_window_start := records.first_window_start,
            source := records.source,
            account := records.account,
            contact_id := records.contact_id
        )) as first_record
    from components
    inner join records on records.rowid = components.record_key
    group by components.component
)

select
    records.rowid as record_key,
    records.source,
    records.account,
    records.contact_id,
    records.first_window_start,
    substr(md5(concat_ws(
        chr(31),
        coalesce(firsts.first_record.source, records.source),
        coalesce(firsts.first_record.account, records.account),
        coalesce(firsts.first_record.contact_id, records.contact_id)
    )), 1, 20) as identity_id
from records
left join components on components.record_key = records.rowid
left join firsts on firsts.component = components.component;
