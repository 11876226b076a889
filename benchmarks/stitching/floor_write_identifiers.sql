-- Reads present_identifiers, a temporary copy; writes written_identifiers, a table as identity_identifiers: which identity each
-- identifier stands for.
insert into written_identifiers from present_identifiers;
