-- Reads contacts, segments, memberships and the variables seed, step, moment, edits, silent,
-- fraction. Lets time pass: edits contacts, moves contacts in and out of segments. What is chosen
-- depends only on seed and step; ties are broken by contact id.

create or replace temp table edited as
select id, hash(getvariable('seed'), id, getvariable('step'), 'what') % 4 as what
from contacts
where row_number < 50000000
qualify row_number() over (
    order by hash(getvariable('seed'), id, getvariable('step'), 'edit'), id
) <= getvariable('edits');

-- Changed by a data import: getchanges does not report these.
create or replace temp table imported as
select id
from contacts
where row_number < 50000000 and id not in (select id from edited)
qualify row_number() over (
    order by hash(getvariable('seed'), id, getvariable('step'), 'import'), id
) <= getvariable('silent');

create or replace temp table written as
select
    id as contact_id,
    case what when 0 then 11 when 1 then 2 when 2 then 37 else 31 end as field_id,
    case what
        when 0 then 'Neustadt ' || getvariable('step')
        when 1 then 'Neumann-' || getvariable('step')
        when 2 then '+491511' || lpad(
            ((id * 7654321 + getvariable('step') * 1234567) % 10000000)::varchar, 7, '0')
        else case when f_31 = '1' then '2' else '1' end
    end as value,
    'advance' as source
from edited join contacts using (id)
union all
select id, 13, lpad(((id * 31 + getvariable('step') * 7) % 100000)::varchar, 5, '0'), 'import'
from imported;

update contacts
set
    f_11 = case when field_id = 11 then value else f_11 end,
    f_2 = case when field_id = 2 then value else f_2 end,
    f_37 = case when field_id = 37 then value else f_37 end,
    f_31 = case when field_id = 31 then value else f_31 end,
    f_13 = case when field_id = 13 then value else f_13 end
from written
where contacts.id = written.contact_id;

insert into changes
select id, getvariable('moment'), case when what = 3 then 'form' else 'api' end, '0' from edited;

insert into field_writes
select
    (select coalesce(max(sequence), 0) from field_writes) + row_number() over (order by contact_id),
    getvariable('moment'), 0, source, contact_id, field_id, value
from written;

create or replace temp table leaving as
select segment_id, contact_id
from memberships join segments using (segment_id)
where share_percent > 0
qualify row_number() over (
    partition by segment_id
    order by hash(getvariable('seed'), contact_id, segment_id, getvariable('step'), 'leave'), contact_id
) <= greatest(1, ceil(getvariable('fraction') * count(*) over (partition by segment_id)));

create or replace temp table joining as
select s.segment_id, c.id as contact_id
from contacts as c, segments as s
where s.share_percent > 0 and c.row_number < 50000000
    and not exists (
        select 1 from memberships as m where m.segment_id = s.segment_id and m.contact_id = c.id
    )
qualify row_number() over (
    partition by s.segment_id
    order by hash(getvariable('seed'), c.id, s.segment_id, getvariable('step'), 'join'), c.id
) <= greatest(1, ceil(getvariable('fraction') * count(*) over (partition by s.segment_id)));

delete from memberships
using leaving
where memberships.segment_id = leaving.segment_id
    and memberships.contact_id = leaving.contact_id;

insert into memberships select segment_id, contact_id from joining;
