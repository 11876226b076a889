-- Reads {{ table }}; gives one row: how many ids occur more than once.
select count(*) as repeated
from (select {{ id }} from {{ table }} group by {{ id }} having count(*) > 1);
