-- Reads: operations, mapped_values. Gives: rows of mapped_contacts; those of contacts that left
-- hold no values, unless they came and went in the same window.
-- The narrow side of the join comes second: DuckDB knows no sizes of tables made in this
-- transaction, and would otherwise build its hash table of whole rows.
select
    $account as account,
    $segment_id as segment_id,
    $window_start as window_start,
    operations.contact_id,
    operations.operation,
    operations.changed_fields,
    mapped_values.row_hash,
    mapped_values.phone_numbers,
    mapped_values.email_addresses,
    mapped_values.requested_at,
    $run_id as run_id,
    now() as loaded_at
    {{ values }}
from mapped_values
join operations using (contact_id)
