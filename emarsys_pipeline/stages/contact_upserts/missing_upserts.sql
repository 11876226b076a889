-- Reads identities, identity_members, identity_aliases, identity_events, identity_stitches and
-- contact_upserts; makes missing_upserts, one row per identity whose golden record differs from
-- what its newest upsert tells, or that is gone since.
--
-- Properties are a JSON object in order of name, without those that nobody ever had a value for;
-- null says that a value told before is gone. The ids that the messaging side gave are not part of
-- the content: they come from there, so learning one is nothing to tell.
create temp table missing_upserts as
with newest as (
    select *
    from contact_upserts
    qualify row_number() over (partition by identity_id order by derived_at desc, upsert_id) = 1
),

platform as (
    select identity_id, list_sort(list(contact_id)) as platform_contact_ids
    from identity_members
    where source = 'platform'
    group by identity_id
),

stitched as (
    select max(window_start) as window_start from identity_stitches
),

ended as (
    select identity_id, max(window_start) as window_start
    from identity_events
    where event = 'merge'
    group by identity_id
),

states as (
    select
        identities.identity_id,
        'live' as state,
        identities.window_start,
        null::varchar as merged_into,
        identities.emarsys_contacts,
        coalesce(platform.platform_contact_ids, []) as platform_contact_ids,
        identities.phone_numbers,
        identities.email_addresses,
        '{' || concat_ws(',' {{ live_members }}) || '}' as properties
    from identities
    left join platform on platform.identity_id = identities.identity_id
    left join newest on newest.identity_id = identities.identity_id
    union all by name
    select
        newest.identity_id,
        'retired' as state,
        coalesce(ended.window_start, stitched.window_start) as window_start,
        aliases.identity_id as merged_into,
        0::bigint as emarsys_contacts,
        []::varchar[] as platform_contact_ids,
        []::varchar[] as phone_numbers,
        []::varchar[] as email_addresses,
        '{' || concat_ws(',' {{ retired_members }}) || '}' as properties
    from newest
    cross join stitched
    anti join identities on identities.identity_id = newest.identity_id
    left join identity_aliases as aliases
        on aliases.retired_identity_id = newest.identity_id
    left join ended on ended.identity_id = newest.identity_id
),

hashed as (
    select
        *,
        md5(concat_ws(
            chr(31),
            state,
            to_json(phone_numbers)::varchar,
            to_json(email_addresses)::varchar,
            properties
        )) as content_hash
    from states
)

select
    greatest(
        hashed.window_start, coalesce(newest.window_start, hashed.window_start)
    ) as window_start,
    md5(concat_ws(
        chr(31), hashed.identity_id, hashed.content_hash, coalesce(newest.upsert_id, '')
    )) as upsert_id,
    hashed.identity_id,
    case
        when hashed.state = 'retired' then 'retired'
        when newest.upsert_id is null or newest.operation = 'retired' then 'new'
        else 'changed'
    end as operation,
    hashed.merged_into,
    hashed.emarsys_contacts,
    hashed.platform_contact_ids,
    hashed.phone_numbers,
    hashed.email_addresses,
    hashed.properties,
    case
        when hashed.state = 'retired' then []
        else list_sort(
            [
                name for name in json_keys(hashed.properties)
                if json_extract_string(hashed.properties, '$."' || name || '"')
                    is distinct from json_extract_string(newest.properties, '$."' || name || '"')
            ]
            || case
                when hashed.phone_numbers is distinct from coalesce(newest.phone_numbers, [])
                    then ['phone_numbers']
                else []
            end
            || case
                when hashed.email_addresses is distinct from coalesce(newest.email_addresses, [])
                    then ['email_addresses']
                else []
            end
        )
    end as changed_properties,
    hashed.content_hash,
    coalesce(newest.upsert_id, '') as predecessor,
    $derived_at::timestamptz as derived_at,
    $run_id as run_id
from hashed
left join newest on newest.identity_id = hashed.identity_id
where hashed.content_hash is distinct from newest.content_hash;
