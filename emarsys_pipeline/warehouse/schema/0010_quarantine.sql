-- All links in quarantine are of the newest stitched window, so that a window need not write again what
-- stays.
alter table quarantined_links drop column window_start;
