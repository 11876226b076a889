-- Reads judged_identities (source, account, contact_id, identity_id) and true_persons (source, account,
-- contact_id, person); gives one row: pairs of contacts that are one identity, one person, or both,
-- and the sizes. A contact whose person is unknown is a person of its own.
with judged as (
    select
        judged_identities.identity_id,
        coalesce(
            true_persons.person::varchar,
            concat_ws(':', source, account, contact_id)
        ) as person
    from judged_identities
    left join true_persons using (source, account, contact_id)
),

both_same as (
    select count(*) as contacts from judged group by identity_id, person
),

identities as (
    select count(*) as contacts from judged group by identity_id
),

persons as (
    select count(*) as contacts from judged group by person
)

select
    coalesce((select sum(contacts) from identities), 0)::bigint as contacts,
    (select count(*) from identities) as identities,
    (select count(*) from persons) as persons,
    coalesce((select max(contacts) from identities), 0)::bigint as largest,
    coalesce((select sum(contacts * (contacts - 1) // 2) from both_same), 0)::bigint as right_pairs,
    coalesce((select sum(contacts * (contacts - 1) // 2) from identities), 0)::bigint as merged_pairs,
    coalesce((select sum(contacts * (contacts - 1) // 2) from persons), 0)::bigint as true_pairs;
