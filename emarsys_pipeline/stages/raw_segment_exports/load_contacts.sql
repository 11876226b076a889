-- Gives: a table with one row per contact in files of JSON arrays, as getdata delivered them.
create or replace table {{ table }} as
select {{ values }} id ->> '$' as contact_id
from read_json($paths, format = 'array', columns = { {{ columns }} }, maximum_object_size = 67108864)
