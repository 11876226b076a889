-- Reads due_by_key and contact_keys; writes opt_in_pushes, one row per contact of the next request
-- by key. A request has one key field, that of its oldest delta, and names each key once; the
-- other contacts of the same key are for the next request.
insert into opt_in_pushes by name
with chosen as (
    select due.*, contact_keys.key_field_id as chosen_field_id, contact_keys.key_value
    from due_by_key as due
    inner join contact_keys using (contact_id)
    qualify row_number() over (
        partition by due.contact_id order by contact_keys.preference
    ) = 1
)

select
    window_start,
    account,
    $batch_id as batch_id,
    delta_id,
    contact_id,
    field_id,
    new_value as value,
    attempts + 1 as attempt,
    'sending' as outcome,
    true as is_retryable,
    $now::timestamptz as intended_at,
    $run_id as run_id,
    chosen_field_id as key_field_id
from chosen
where
    chosen_field_id = (
        select oldest.chosen_field_id
        from chosen as oldest
        order by oldest.derived_at, oldest.delta_id
        limit 1
    )
qualify row_number() over (
    partition by lower(key_value) order by derived_at, delta_id
) = 1
order by derived_at, delta_id
limit $batch_size;
