-- Reads the temporary table generated. Appends to platform_contacts: about 40 % of the persons, as
-- the messaging platform knows them, that is with a clean phone or e-mail address.
insert into platform_contacts
select
    'pc_' || md5(?::varchar || '-' || person)[1:16],
    person,
    clean_phone,
    clean_email,
    f_1,
    f_2,
    ?::timestamp
from generated
where person = row_number
    and row_number % 50 not in (46, 47, 49)
    and hash(person, 'platform') % 100 < 42
    and (clean_phone is not null or clean_email is not null)
