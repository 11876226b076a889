-- Reads identity_members; makes touched, one row per identity.
create temp table touched as
select distinct identity_id from identity_members;
