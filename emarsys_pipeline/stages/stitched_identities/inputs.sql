-- Reads mapped_contacts and platform_contacts; gives one row: a text that differs when rows up to a
-- window were added, replaced or removed.
select concat_ws(
    ' ',
    (
        select concat_ws(' ', count(*), epoch_us(max(loaded_at)), bit_xor(row_hash))
        from mapped_contacts
        where window_start <= $window_start
    ),
    (
        select concat_ws(' ', count(*), epoch_us(max(received_at)), max(inbox_sequence))
        from platform_contacts
        where window_start <= $window_start
    )
) as inputs
