"""automation_events: what Emarsys automations call us with, and a hook for code that acts on it."""

from emarsys_pipeline.defs.automation_events.subscribing import automation_event_sensor

__all__ = ["automation_event_sensor"]
