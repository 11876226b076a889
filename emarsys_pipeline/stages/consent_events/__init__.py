"""The ledger of consent decisions."""

from emarsys_pipeline.stages.consent_events.ingest import (
    ConsentEventsIngested,
    add_consent_events,
    ingest_consent_events,
)

__all__ = ["ConsentEventsIngested", "add_consent_events", "ingest_consent_events"]
