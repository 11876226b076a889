-- Reads: histories. Gives: a temporary table newest_rows, one row per contact in it: which of its
-- mapped rows has the newest values. Segments that the contact is still in come first, since the
-- values of the others are no longer kept up; then the newest window, the newest request and the
-- smaller segment id.
create or replace temp table newest_rows as
-- Most contacts have one mapped row, which needs no choice: all of them do at a first import.
with several as (
    select contact_id
    from histories
    group by contact_id
    having count(*) > 1
),

compared as (
    select *
    from histories
    where contact_id in (select contact_id from several)
),

memberships as (
    select
        contact_id,
        segment_id,
        max_by(operation, window_start) <> 'left' as is_member,
        min(window_start) as first_window_start,
        max(window_start) as touched_window_start
    from compared
    group by contact_id, segment_id
),

contacts as (
    select
        contact_id,
        bool_or(is_member) as is_member,
        min(first_window_start) as first_window_start,
        max(touched_window_start) as touched_window_start
    from memberships
    group by contact_id
),

newest as (
    select compared.row_number, compared.contact_id
    from compared
    join memberships using (contact_id, segment_id)
    where compared.has_values
    qualify row_number() over (
        partition by compared.contact_id
        order by
            memberships.is_member desc,
            compared.window_start desc,
            compared.requested_at desc,
            compared.segment_id
    ) = 1
)

select
    newest.row_number,
    contacts.is_member,
    contacts.first_window_start,
    contacts.touched_window_start
from newest
join contacts using (contact_id)

union all

select
    row_number,
    operation <> 'left' as is_member,
    window_start as first_window_start,
    window_start as touched_window_start
from histories
where has_values and contact_id not in (select contact_id from several)
