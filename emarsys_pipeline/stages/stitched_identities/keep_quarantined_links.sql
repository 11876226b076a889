-- Reads narrowed_pairs and pair_changes; brings the rows of quarantined_links to this window, without
-- those of the identifiers that were looked at.
create temp table kept_links as
select links.*
from quarantined_links as links
anti join (
    select kind, value from narrowed_pairs
    union
    select kind, value from pair_changes
) as looked_at using (kind, value);

delete from quarantined_links;

insert into quarantined_links by name
select * replace ($window_start as window_start)
from kept_links;
