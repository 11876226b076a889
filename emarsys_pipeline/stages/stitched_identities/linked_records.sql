-- Reads records, whole_components and components; makes linked_records, one row per record that has
-- a link, with its identity, and identity_map, one row per record. The first record of a component,
-- and with it the id, is decided by a complete order over the data. component_id is the identity
-- that the links alone would make, where a guard took that apart.
create temp table linked_records as
with found as (
    select
        whole.record_key,
        whole.component as whole,
        coalesce(components.component, whole.record_key) as component
    from whole_components as whole
    left join components using (record_key)
),

taken_apart as (
    select whole
    from found
    group by whole
    having min(component) <> max(component)
),

named as (
    select
        found.record_key,
        found.component,
        taken_apart.whole as taken_apart,
        struct_pack(
            first_window_start := records.first_window_start,
            source := records.source,
            account := records.account,
            contact_id := records.contact_id
        ) as name
    from found
    inner join records using (record_key)
    left join taken_apart using (whole)
),

present as (
    select component, min(name) as first_record
    from named
    group by component
),

unguarded as (
    select taken_apart, min(name) as first_record
    from named
    where taken_apart is not null
    group by taken_apart
),

identity_ids as (
    select
        component,
        identity_id_of(first_record.source, first_record.account, first_record.contact_id)
            as identity_id
    from present
),

component_ids as (
    select
        taken_apart,
        identity_id_of(first_record.source, first_record.account, first_record.contact_id)
            as component_id
    from unguarded
)

select
    named.record_key,
    named.component,
    identity_ids.identity_id,
    component_ids.component_id
from named
inner join identity_ids using (component)
left join component_ids using (taken_apart);

create temp view identity_map as
select
    records.*,
    coalesce(
        linked.identity_id,
        identity_id_of(records.source, records.account, records.contact_id)
    ) as identity_id,
    linked.component_id
from records
left join linked_records as linked using (record_key);
