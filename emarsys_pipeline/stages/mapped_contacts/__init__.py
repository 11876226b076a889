"""Mapped rows: raw rows in the account's own property names and types."""

from emarsys_pipeline.stages.mapped_contacts.mapping import (
    ContactsMapped,
    NotImportedError,
    RawPrunedError,
    map_segment,
)
from emarsys_pipeline.stages.mapped_contacts.rebuild import AccountRebuilt, rebuild_account

__all__ = [
    "AccountRebuilt",
    "ContactsMapped",
    "NotImportedError",
    "RawPrunedError",
    "map_segment",
    "rebuild_account",
]
