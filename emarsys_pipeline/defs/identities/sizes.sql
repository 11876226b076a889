-- Reads identity_members; gives one row per range of sizes: identities and their contacts.
with sizes as (
    select count(*) as contacts
    from identity_members
    group by identity_id
)

select
    case
        when contacts <= 4 then contacts::varchar
        when contacts <= 8 then '5 to 8'
        when contacts <= 16 then '9 to 16'
        else 'more than 16'
    end as size,
    count(*) as identities,
    sum(contacts)::bigint as contacts
from sizes
group by size
order by min(sizes.contacts);
