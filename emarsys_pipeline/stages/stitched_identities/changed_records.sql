-- Reads mapped_contacts and platform_contacts; makes changed_records, one row per record that was
-- new or changed after the window that was stitched before.
create temp table changed_records as
select 'emarsys' as source, account, contact_id
from mapped_contacts
where window_start > $after and window_start <= $window_start
union
select 'platform' as source, '' as account, platform_contact_id as contact_id
from platform_contacts
where window_start > $after and window_start <= $window_start;
