-- Reads: emarsys_fields. Gives: one row per field of the account, as of the newest window at or
-- before $window_start in which they were fetched; by field id.
select field_id, name, string_id, application_type
from emarsys_fields
where account = $account
    and window_start = (
        select max(window_start)
        from emarsys_fields
        where account = $account and window_start <= $window_start
    )
order by field_id
