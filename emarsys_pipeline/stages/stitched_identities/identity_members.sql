-- Reads identity_map; writes identity_members, one row per record.
insert into identity_members by name
select identity_id, source, account, contact_id, first_window_start from identity_map;
