"""External events: list, create, trigger."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from emarsys_pipeline.emarsys.endpoints import Endpoints
from emarsys_pipeline.emarsys.errors import UnreadableReplyError
from emarsys_pipeline.emarsys.fields import EMAIL
from emarsys_pipeline.emarsys.records import (
    ContactError,
    EventsTriggered,
    EventTrigger,
    ExternalEvent,
)
from emarsys_pipeline.emarsys.shapes import as_id, as_list, as_map, errors_of

MAX_TRIGGERS_PER_CALL = 1000
MAX_TRIGGER_BYTES = 1_000_000
ENVELOPE_BYTES = 1_000  # what surrounds the contacts of a batch


class EventCalls(Endpoints):
    """External events."""

    def list_events(self) -> list[ExternalEvent]:
        """All external events (``externalevent.list``)."""
        return [
            ExternalEvent(
                as_id(item["id"]), str(item.get("name") or ""), str(item.get("created") or "")
            )
            for item in as_list(self._get("event"))
        ]

    def create_event(self, name: str) -> ExternalEvent:
        """Make an external event (``externalevent.create``)."""
        data = as_map(self._post("event", {"name": name}, is_repeatable=False))
        if "id" not in data:
            raise UnreadableReplyError(
                method="POST", path="event", http_status=200, reason="it holds no event id"
            )
        return ExternalEvent(as_id(data["id"]), str(data.get("name") or name))

    def trigger_event(
        self,
        event_id: str,
        key: str,
        *,
        key_field: str = EMAIL,
        data: Mapping[str, Any] | None = None,
        trigger_id: str | None = None,
        event_time: datetime | None = None,
    ) -> None:
        """Trigger an event for one contact (``externalevent.trigger``).

        With a ``trigger_id`` Emarsys ignores a repetition, so the call is retried like a read.

        Raises:
            RejectedRequestError: unknown contact (2008) or event (5001), among others.
        """
        body: dict[str, Any] = {"key_id": key_field, "external_id": key, "data": dict(data or {})}
        if trigger_id:
            body["trigger_id"] = trigger_id
        if event_time:
            body["event_time"] = event_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._post(f"event/{int(event_id)}/trigger", body, is_repeatable=trigger_id is not None)

    def trigger_event_batch(
        self, event_id: str, triggers: Sequence[EventTrigger], *, key_field: str = EMAIL
    ) -> EventsTriggered:
        """Trigger an event for many contacts: at most 1000 and 1 MB per request.

        Retried like a read only when every trigger has a ``trigger_id``.
        """
        ids: list[str] = []
        errors: dict[str, ContactError] = {}
        path = f"event/{int(event_id)}/trigger"
        for part in _batches(triggers):
            body = {"key_id": key_field, "contacts": [_contact(trigger) for trigger in part]}
            is_repeatable = all(trigger.trigger_id for trigger in part)
            data = as_map(self._post(path, body, is_repeatable=is_repeatable))
            ids.extend(as_id(value) for value in as_list(data.get("ids")))
            errors.update(errors_of(data))
        return EventsTriggered(tuple(ids), errors)


def _contact(trigger: EventTrigger) -> dict[str, Any]:
    contact: dict[str, Any] = {"external_id": trigger.key, "data": dict(trigger.data)}
    if trigger.trigger_id:
        contact["trigger_id"] = trigger.trigger_id
    return contact


def _batches(triggers: Sequence[EventTrigger]) -> Iterator[list[EventTrigger]]:
    """Runs of triggers that stay under the count and the bytes of one request."""
    batch: list[EventTrigger] = []
    batch_bytes = ENVELOPE_BYTES
    for trigger in triggers:
        size = len(json.dumps(_contact(trigger), ensure_ascii=False).encode()) + 1
        if size + ENVELOPE_BYTES > MAX_TRIGGER_BYTES:
            raise ValueError(f"the data of one trigger has {size:,} bytes; 1 MB is allowed")
        if batch and (
            len(batch) == MAX_TRIGGERS_PER_CALL or batch_bytes + size > MAX_TRIGGER_BYTES
        ):
            yield batch
            batch, batch_bytes = [], ENVELOPE_BYTES
        batch.append(trigger)
        batch_bytes += size
    if batch:
        yield batch
