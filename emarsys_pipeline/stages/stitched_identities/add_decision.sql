-- Reads nothing; adds one row to {{ table }}.
insert into {{ table }} by name
select
    $window_start::timestamptz as window_start,
    $decision_id as decision_id,
    $decided_at::timestamptz as decided_at,
    $action as action,
    $author as author,
    $reason as reason,
    case when $has_contact then $source end as source,
    case when $has_contact then $account end as account,
    case when $has_contact then $contact_id end as contact_id,
    case when $has_other then $other_source end as other_source,
    case when $has_other then $other_account end as other_account,
    case when $has_other then $other_contact_id end as other_contact_id,
    case when $has_identifier then $kind end as kind,
    case when $has_identifier then $value end as value,
    $revoked_decision_id as revoked_decision_id;
