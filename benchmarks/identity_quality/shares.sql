-- Reads record_identifiers, records, identity_map, rejected_values, true_persons and
-- blocked_identifiers of a stitch with the default settings; gives one row: how many contacts hold
-- what makes stitching hard.
with known as (
    select
        records.record_key,
        coalesce(
            true_persons.person::varchar,
            concat_ws(':', records.source, records.account, records.contact_id)
        ) as person,
        identity_map.identity_id
    from records
    inner join identity_map using (source, account, contact_id)
    left join true_persons using (source, account, contact_id)
),

firsts as (
    select
        person,
        min(record_key) as record_key,
        arg_min(identity_id, record_key) as identity_id
    from known
    group by person
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
    inner join firsts
        on firsts.person = of_one.person and firsts.record_key = other.record_key
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
        select count(*)
        from known
        inner join firsts using (person)
        where
            known.identity_id = firsts.identity_id
            and known.record_key <> firsts.record_key
            and known.record_key not in (from direct)
    ) as chained;
