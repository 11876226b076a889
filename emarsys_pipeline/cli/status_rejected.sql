-- Reads contacts and rejected_values; gives one row per account: its contacts, and how many of them
-- have had a value that could not be converted.
select
    contacts.account,
    count(*) as contacts,
    count(rejected.contact_id) as rejected
from current_contacts as contacts
left join (select distinct account, contact_id from rejected_values) as rejected
    on rejected.account = contacts.account and rejected.contact_id = contacts.contact_id
group by contacts.account
order by contacts.account;
