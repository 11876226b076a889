-- Reads narrowed_pairs, pair_changes and settled_identifiers; deletes from quarantined_links the rows of the
-- identifiers that were looked at, and keeps up how many hold the settled ones.
create temp table recounted_links as
select links.* replace (links.records + settled.gained as records)
from quarantined_links as links
inner join settled_identifiers as settled using (kind, value)
where settled.gained <> 0;

delete from quarantined_links
using (
    select kind, value from narrowed_pairs
    union
    select kind, value from pair_changes
) as looked_at
where looked_at.kind = quarantined_links.kind and looked_at.value = quarantined_links.value;

insert into quarantined_links by name
from recounted_links;

drop table temp.recounted_links;
