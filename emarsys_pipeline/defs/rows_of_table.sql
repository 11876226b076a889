-- Reads one table; gives its number of rows.
select count(*) from {{ table }};
