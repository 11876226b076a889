"""Calls of Emarsys automations, each linked to the person whom it is about."""

from emarsys_pipeline.stages.automation_events.ingest import (
    AutomationEventsIngested,
    ingest_automation_events,
)
from emarsys_pipeline.stages.automation_events.reading import AutomationEvent, events_after

__all__ = [
    "AutomationEvent",
    "AutomationEventsIngested",
    "events_after",
    "ingest_automation_events",
]
