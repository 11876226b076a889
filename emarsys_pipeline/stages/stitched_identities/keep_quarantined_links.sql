-- Reads narrowed_pairs and pair_changes; removes from quarantined_links the rows of the identifiers that
-- were looked at.
delete from quarantined_links
where rowid in (
    select links.rowid
    from quarantined_links as links
    semi join (
        select kind, value from narrowed_pairs
        union
        select kind, value from pair_changes
    ) as looked_at using (kind, value)
);
