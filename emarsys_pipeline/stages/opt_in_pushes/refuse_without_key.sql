-- Reads due_by_key and contact_keys; writes opt_in_pushes, one row per contact that Emarsys does not
-- know and that cannot be made either, for want of a value to name it by.
insert into opt_in_pushes by name
select
    due.window_start,
    due.account,
    $batch_id as batch_id,
    due.delta_id,
    due.contact_id,
    due.field_id,
    due.new_value as value,
    due.attempts + 1 as attempt,
    'rejected' as outcome,
    false as is_retryable,
    '2008' as reply_code,
    'contact not found, and not made: it has no key' as reply_text,
    $remedy as remedy,
    $now::timestamptz as intended_at,
    $now::timestamptz as settled_at,
    $run_id as run_id
from due_by_key as due
anti join contact_keys using (contact_id);
