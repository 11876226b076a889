-- Gives: a temporary macro text_of_value(json): a list as its elements joined by commas, in the
-- order given; a scalar as its text; null, empty text and an empty list as null.
create or replace temp macro text_of_value(value) as
    nullif(
        case
            when json_type(value) = 'ARRAY' then array_to_string(value ->> '$[*]', ',')
            else value ->> '$'
        end,
        ''
    )
