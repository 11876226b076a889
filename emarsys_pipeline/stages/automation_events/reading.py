"""Reads automation_events in the order of the inbox, for those who act on them."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emarsys_pipeline.warehouse import Warehouse, load_sql


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationEvent:
    """One call of an Emarsys automation.

    Attributes:
        inbox_sequence: its position; grows from call to call, with gaps.
        occurred_at: when Emarsys says it happened, else when it arrived.
        event_name: what the customer called it; None if the call names nothing.
        identity_id: the person it is about; None while nobody is known.
        resolved_by: what led there: emarsys contact, platform contact, phone or email.
        payload: the whole call; None once retention has removed it.
    """

    inbox_sequence: int
    message_id: str
    received_at: datetime
    occurred_at: datetime
    account: str
    event_name: str | None
    identity_id: str | None
    resolved_by: str | None
    contact_id: str | None
    external_id: str | None
    phone_number: str | None = field(repr=False)
    email_address: str | None = field(repr=False)
    program_id: str | None
    contact_list_id: str | None
    payload: dict[str, Any] | None = field(repr=False)
    source: str


def events_after(warehouse: Warehouse, after: int, *, at_most: int = 100) -> list[AutomationEvent]:
    """The next events after a position of the inbox, in its order.

    Reads the published copy, so it never waits for a run.
    """
    with warehouse.read_published() as connection:
        rows = connection.execute(
            load_sql(__package__, "events_after.sql"), {"after": after, "at_most": at_most}
        ).fetchall()
    found = [dict(zip(AutomationEvent.__slots__, row, strict=True)) for row in rows]
    return [
        AutomationEvent(
            **{**row, "payload": json.loads(row["payload"]) if row["payload"] else None}
        )
        for row in found
    ]
