-- Reads platform_contacts; makes set_aside_messages, one row per message that is later than the window, or
-- whose contact may have several. Most contacts have one. Equal ids have equal hashes, so a hash that
-- occurs once belongs to one message.
create temp table set_aside_messages as
select rowid as message_key
from platform_contacts
where
    window_start > $window_start
    or hash(platform_contact_id) in (
        select hash(repeated.platform_contact_id) as id_hash
        from platform_contacts as repeated
        group by id_hash
        having count(*) > 1
    );
