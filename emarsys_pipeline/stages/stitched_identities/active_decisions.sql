-- Reads identity_decisions and proposed_decisions; makes active_decisions, one row per decision that
-- the stitching of the window obeys: not revoked, and the newest on its subject. A subject is a pair
-- of contacts, an identifier, or an identifier of one contact; a later decision on the identifier
-- takes the place of those on its contacts. Ties: the larger decision id.
create temp table active_decisions as
with known as (
    select * from identity_decisions where window_start <= $window_start
    union all by name
    select * from proposed_decisions
),

standing as (
    select
        *,
        concat_ws(chr(31), source, account, contact_id) as subject,
        concat_ws(chr(31), other_source, other_account, other_contact_id) as other_subject
    from known
    where
        action <> 'revoke'
        and decision_id not in (
            select revoked_decision_id from known where revoked_decision_id is not null
        )
),

newest as (
    select
        *,
        max(decided_at) filter (contact_id is null) over (
            partition by kind, value
        ) as identifier_decided_at
    from standing
    qualify row_number() over (
        partition by
            kind, value, least(subject, other_subject), greatest(subject, other_subject)
        order by decided_at desc, decision_id desc
    ) = 1
)

select * exclude (subject, other_subject, identifier_decided_at)
from newest
where kind is null or contact_id is null
    or coalesce(decided_at > identifier_decided_at, true);
