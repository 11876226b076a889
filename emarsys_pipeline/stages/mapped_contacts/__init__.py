"""Mapped rows: raw rows in the account's own property names and types."""

from emarsys_pipeline.stages.mapped_contacts.mapping import (
    ContactsMapped,
    NotImportedError,
    map_segment,
)

__all__ = ["ContactsMapped", "NotImportedError", "map_segment"]
