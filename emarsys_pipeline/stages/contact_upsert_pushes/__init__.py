"""Contact upsert pushes: the outbox that tells the messaging platform of persons over HTTP."""

from emarsys_pipeline.stages.contact_upsert_pushes.outbox import (
    contact_upserts_due,
    revive_dead_letters,
)
from emarsys_pipeline.stages.contact_upsert_pushes.push import (
    ContactUpsertsPushed,
    push_contact_upserts,
)
from emarsys_pipeline.stages.contact_upsert_pushes.refresh import make_refresh

__all__ = [
    "ContactUpsertsPushed",
    "contact_upserts_due",
    "make_refresh",
    "push_contact_upserts",
    "revive_dead_letters",
]
