-- Gives: one row per record of a CSV file, all text, empty cells as null.
-- Nothing is guessed: types, dialect and number of columns are given.
select {{ values }}
from read_csv(
    {{ path }},
    columns = { {{ columns }} },
    header = true,
    auto_detect = false,
    delim = ',',
    quote = '"',
    escape = '"',
    nullstr = '',
    strict_mode = true,
    max_line_size = 4194304
)
