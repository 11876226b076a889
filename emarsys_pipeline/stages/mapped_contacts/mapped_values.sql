-- Reads: raw_segment_exports, written_choices, chosen_lists.
-- Gives: a temporary table mapped_values, one row per raw row of the partition, with each property
-- in its type, what was written where that may differ, and the hash over the whole.
create or replace temp table mapped_values as
with raw_rows as (
    select
        raw.contact_id,
        raw.kind,
        raw.dialect,
        raw.requested_at,
        {{ country }} as country
        {{ written }}
    from raw_segment_exports as raw
    where raw.account = $account
        and raw.segment_id = $segment_id
        and raw.window_start = $window_start
),

typed as (
    select
        written.contact_id,
        written.kind,
        written.requested_at,
        coalesce({{ region }}, $default_region) as region
        {{ kept }}
        {{ values }}
    from raw_rows as written
    {{ joins }}
),

normalised as (
    select
        *
        {{ normalised }}
    from typed
),

listed as (
    select
        *,
        {{ phone_numbers }} as phone_numbers,
        {{ email_addresses }} as email_addresses
    from normalised
)

select
    *,
    case when kind <> 'left' then hash({{ columns }}, phone_numbers, email_addresses) end as row_hash
from listed
