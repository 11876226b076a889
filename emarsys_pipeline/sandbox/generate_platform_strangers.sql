-- Reads nothing. Appends to platform_contacts people whom the Emarsys account does not know.
insert into platform_contacts
select
    'pc_' || md5('stranger-' || seed || '-' || i)[1:16],
    null,
    '+491530' || lpad(((i * 7654321 + seed) % 10000000)::varchar, 7, '0'),
    case when i % 2 = 0 then 'stranger' || i || '@example.org' end,
    'Guest',
    'Number ' || i,
    moment
from (select unnest(range(?::bigint)) as i, ?::bigint as seed, ?::timestamp as moment)
