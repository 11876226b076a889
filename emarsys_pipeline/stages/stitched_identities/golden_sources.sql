-- Reads golden_candidates; writes identity_property_sources, one row per identity of several contacts
-- and property that any of them has: the contact whose value won.
insert into identity_property_sources by name
with won as (
    select identity_id, [{{ winners }}] as winners
    from golden_candidates
    group by identity_id
),

each as (
    select identity_id, unnest(winners) as winner
    from won
)

select
    identity_id,
    winner.property as property,
    winner.contact.source as source,
    winner.contact.account as account,
    winner.contact.contact_id as contact_id,
    winner.contact.window_start as window_start
from each
where winner.contact is not null;
