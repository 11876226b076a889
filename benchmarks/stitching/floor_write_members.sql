-- Reads present_members, a temporary copy; writes written_members, a table as identity_members: which identity each contact
-- belongs to.
insert into written_members from present_members;
