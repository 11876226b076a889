-- The messaging platform's contact API. Made when a state is opened, since older files lack it.

-- one row per external reference: what its upserts made of the contact
create table if not exists platform_profiles (
    external_reference_id varchar, platform_contact_id varchar, source_type varchar,
    first_name varchar, middle_name varchar, last_name varchar, phone_numbers varchar[],
    email_addresses varchar[], custom_properties varchar, tags varchar[], updated_at timestamp
);

-- one row per upsert that was applied, in order; overlapping: another one of the same reference
-- was being answered at that moment
create table if not exists platform_upserts (
    sequence bigint, received_at timestamp, external_reference_id varchar,
    platform_contact_id varchar, is_overlapping boolean, body varchar
);
