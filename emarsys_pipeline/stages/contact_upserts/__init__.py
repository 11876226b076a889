"""Contact upserts: what the messaging side is to know of each person."""

from emarsys_pipeline.stages.contact_upserts.derive import (
    MERGED_INTO,
    ContactUpsertsDerived,
    add_contact_upserts,
    derive_contact_upserts,
    upserts_by_window,
)
from emarsys_pipeline.stages.contact_upserts.hand_over import HandedOver, hand_over, hand_over_path

__all__ = [
    "MERGED_INTO",
    "ContactUpsertsDerived",
    "HandedOver",
    "add_contact_upserts",
    "derive_contact_upserts",
    "hand_over",
    "hand_over_path",
    "upserts_by_window",
]
