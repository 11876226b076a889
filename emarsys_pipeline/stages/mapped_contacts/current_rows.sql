-- Reads: mapped_contacts, seen_contacts. Gives: one row of current_contacts per touched contact that
-- was mapped several times: the newest values over all segments. Segments that the contact is still in
-- come first, since the values of the others are no longer kept up; then the newest window, the
-- newest request and the smaller segment id.
with history as (
    select contact_id, segment_id, window_start, requested_at, operation, row_hash
    from mapped_contacts
    where account = $account and contact_id in (select contact_id from seen_contacts where times > 1)
),

memberships as (
    select
        contact_id,
        segment_id,
        max_by(operation, window_start) <> 'left' as is_member,
        min(window_start) as first_window_start
    from history
    group by contact_id, segment_id
),

contacts as (
    select
        contact_id,
        bool_or(is_member) as is_member,
        min(first_window_start) as first_window_start
    from memberships
    group by contact_id
),

newest as (
    select history.contact_id, history.segment_id, history.window_start
    from history
    join memberships using (contact_id, segment_id)
    where history.row_hash is not null
    qualify row_number() over (
        partition by history.contact_id
        order by
            memberships.is_member desc,
            history.window_start desc,
            history.requested_at desc,
            history.segment_id
    ) = 1
)

select
    $account as account,
    mapped.contact_id,
    contacts.first_window_start,
    mapped.window_start,
    contacts.is_member,
    mapped.phone_numbers,
    mapped.email_addresses,
    mapped.requested_at
    {{ values }}
-- Narrow tables come second: of those made in this transaction DuckDB knows no sizes, and would
-- otherwise build its hash table of whole rows.
from mapped_contacts as mapped
join newest
    on mapped.segment_id = newest.segment_id
    and mapped.window_start = newest.window_start
    and mapped.contact_id = newest.contact_id
join contacts on mapped.contact_id = contacts.contact_id
where mapped.account = $account
