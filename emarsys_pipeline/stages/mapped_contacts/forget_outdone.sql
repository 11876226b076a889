-- Reads: mapped_contacts. Deletes from former_rows the contacts whose current row is of another
-- segment in the same window, and stays: that was asked for later, or at once and has the smaller id.
delete from former_rows
where contact_id in (
    select new.contact_id
    from mapped_contacts as new
    join mapped_contacts as other
        on other.account = new.account
        and other.window_start = new.window_start
        and other.contact_id = new.contact_id
    join former_rows
        on former_rows.contact_id = new.contact_id
        and former_rows.is_newest
        and former_rows.window_start = new.window_start
    where new.account = $account
        and new.segment_id = $segment_id
        and new.window_start = $window_start
        and other.account = $account
        and other.segment_id <> $segment_id
        and other.window_start = $window_start
        and other.operation <> 'left'
        and (
            other.requested_at > new.requested_at
            or (other.requested_at = new.requested_at and other.segment_id < new.segment_id)
        )
)
