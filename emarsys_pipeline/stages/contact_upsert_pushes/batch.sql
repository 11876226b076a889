-- Reads contact_upsert_pushes and contact_upserts; gives one row per request of a batch: the body
-- in the shape of the contact API, and how often the upsert failed before. First, middle and last
-- name have keys of their own there; properties that identify are in the lists, normalised.
with failures as (
    select upsert_id, count(*) as failures
    from contact_upsert_pushes
    where outcome in ('rejected', 'repeated')
    group by upsert_id
)

select
    pushes.upsert_id,
    '{' || concat_ws(
        ',',
        '"external_reference_id":' || to_json(upserts.identity_id)::varchar,
        '"source_type":' || to_json($source_type::varchar)::varchar,
        nullif(array_to_string(
            [
                to_json(name)::varchar || ':'
                || json_extract(upserts.properties, '$."' || name || '"')::varchar
                for name in json_keys(upserts.properties) if list_contains($names, name)
            ],
            ','
        ), ''),
        '"phone_numbers":'
        || to_json([{'value': number} for number in upserts.phone_numbers])::varchar,
        '"email_address":'
        || to_json([{'value': address} for address in upserts.email_addresses])::varchar,
        '"custom_properties":{' || array_to_string(
            [
                to_json(name)::varchar || ':'
                || json_extract(upserts.properties, '$."' || name || '"')::varchar
                for name in json_keys(upserts.properties)
                if not list_contains($names || $identifying, name)
            ],
            ','
        ) || '}'
    ) || '}' as body,
    coalesce(failures.failures, 0) as failures
from contact_upsert_pushes as pushes
inner join contact_upserts as upserts on upserts.upsert_id = pushes.upsert_id
left join failures on failures.upsert_id = pushes.upsert_id
where pushes.batch_id = $batch_id and pushes.outcome = 'sending'
order by upserts.derived_at, upserts.identity_id;
