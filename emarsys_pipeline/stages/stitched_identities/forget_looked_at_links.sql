-- Reads narrowed_pairs and pair_changes; deletes from quarantined_links the rows of the identifiers that
-- were looked at.
delete from quarantined_links
using (
    select kind, value from narrowed_pairs
    union
    select kind, value from pair_changes
) as looked_at
where looked_at.kind = quarantined_links.kind and looked_at.value = quarantined_links.value;
