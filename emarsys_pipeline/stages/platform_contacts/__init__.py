"""Messaging-side contacts, as messages told of them."""

from emarsys_pipeline.stages.platform_contacts.ingest import (
    PlatformContactsIngested,
    ingest_platform_contacts,
)

__all__ = ["PlatformContactsIngested", "ingest_platform_contacts"]
