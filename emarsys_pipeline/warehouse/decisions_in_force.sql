-- Reads {{ decisions }}, which has the columns of identity_decisions; gives one row per decision about
-- identities that holds: not revoked, and the newest on its subject, which is a pair of contacts, an
-- identifier, or an identifier of one contact. A later decision on the identifier takes the place of
-- those on its contacts. Ties: the larger decision id.
with standing as (
    select
        *,
        concat_ws(chr(31), source, account, contact_id) as subject,
        concat_ws(chr(31), other_source, other_account, other_contact_id) as other_subject
    from {{ decisions }}
    where
        action <> 'revoke'
        and decision_id not in (
            select revokes.revoked_decision_id
            from {{ decisions }} as revokes
            where revokes.revoked_decision_id is not null
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
where
    kind is null
    or contact_id is null
    or coalesce(decided_at > identifier_decided_at, true)
