-- A record's assignment is stored once: the present one in identity_members, those that later
-- windows replaced in former_members. Together they are the view stitched_identities.

-- one row per record and window whose assignment a later window replaced
create table former_members (
    window_start timestamptz not null,
    source varchar not null,
    account varchar not null,
    contact_id varchar not null,
    identity_id varchar not null,
    previous_identity_id varchar,
    first_window_start timestamptz not null,
    run_id varchar not null
);

-- one row per record: the identity that it belongs to now, since window_start. component_id is the
-- identity that its links alone would make, where the size guard took that apart.
create table present_members (
    identity_id varchar not null,
    source varchar not null,
    account varchar not null,
    contact_id varchar not null,
    first_window_start timestamptz not null,
    window_start timestamptz not null,
    previous_identity_id varchar,
    component_id varchar,
    run_id varchar not null
);

insert into present_members by name
select
    members.identity_id,
    members.source,
    members.account,
    members.contact_id,
    members.first_window_start,
    stitched.window_start,
    stitched.previous_identity_id,
    stitched.run_id
from identity_members as members
inner join stitched_identities as stitched using (source, account, contact_id)
qualify row_number() over (
    partition by source, account, contact_id order by stitched.window_start desc
) = 1;

insert into former_members by name
select
    stitched.window_start,
    stitched.source,
    stitched.account,
    stitched.contact_id,
    stitched.identity_id,
    stitched.previous_identity_id,
    coalesce(present.first_window_start, stitched.window_start) as first_window_start,
    stitched.run_id
from stitched_identities as stitched
left join present_members as present using (source, account, contact_id)
where present.window_start is distinct from stitched.window_start;

drop table stitched_identities;
drop table identity_members;
alter table present_members rename to identity_members;

-- What a stitch was made from: the guards and the input rows. While both are as they were, the
-- next window only has to look at what it changed. Null: unknown, so the next stitch looks at all.
alter table identity_stitches add column guards varchar;
alter table identity_stitches add column inputs varchar;

-- What joined two identities, or joined them until it went away: at most ten identifiers.
alter table identity_events add column evidence struct(kind varchar, value varchar)[];
