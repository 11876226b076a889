-- Reads record_identifiers, shared_identifiers, records, rejected_values, true_persons and
-- blocked_identifiers of a stitch with the default settings; gives one row: how many contacts hold
-- what makes stitching hard.
with known as (
    select
        records.record_key,
        coalesce(
            true_persons.person::varchar,
            concat_ws(':', records.source, records.account, records.contact_id)
        ) as person
    from records
    left join true_persons using (source, account, contact_id)
),

persons_of as (
    select kind, value, count(distinct person) as persons
    from record_identifiers
    inner join known using (record_key)
    group by kind, value
),

direct as (
    select distinct one.record_key
    from record_identifiers as one
    inner join record_identifiers as other using (kind, value)
    inner join known as of_one on of_one.record_key = one.record_key
    inner join known as of_other on of_other.record_key = other.record_key
    where
        of_one.person = of_other.person
        and other.record_key = (
            select min(first.record_key) from known as first where first.person = of_one.person
        )
)

select
    (select count(*) from records) as contacts,
    (
        select count(distinct record_key) from record_identifiers
        inner join persons_of using (kind, value)
        where persons > 1
    ) as sharing,
    (
        select count(*) from (
            select distinct account, contact_id from rejected_values
            where reason like 'phone%' or reason like 'email%'
            union
            select account, contact_id from record_identifiers
            inner join records using (record_key)
            semi join blocked_identifiers using (kind, value)
        )
    ) as with_junk,
    (
        select count(*) from known
        where person in (select person from known group by person having count(*) > 1)
            and record_key in (select record_key from record_identifiers)
            and record_key not in (from direct)
            and record_key <> (
                select min(first.record_key) from known as first where first.person = known.person
            )
    ) as chained;
