"""External events: listing, creating, renaming, deleting, triggering."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from emarsys_pipeline.sandbox.contact_keys import find_contacts
from emarsys_pipeline.sandbox.replies import ApiError, Reply, envelope
from emarsys_pipeline.sandbox.routes.contacts import (
    MAX_CONTACTS,
    key_field,
    many_contacts,
    no_contact,
)
from emarsys_pipeline.sandbox.routing import ApiRequest, RouteTable
from emarsys_pipeline.sandbox.state import next_id, utc_now, vienna_text
from emarsys_pipeline.sandbox.usages import EVENT_USAGES, refuse_used_event

_FIRST_EVENT_ID = 123
_MAX_DATA_BYTES = 100_000
_TOO_LARGE = "Event data size above limit for interactions program triggering."

table = RouteTable()


def _event(request: ApiRequest, text: str = "No event found with the specified ID.") -> Any:
    event_id = int(request.path_values["id"])
    if event_id == 0:
        raise ApiError(400, 5004, "Event ID: 0 is invalid.")
    rows = request.state.rows(
        "select event_id, name, created_at from events where event_id = ?", [event_id]
    )
    if not rows:
        raise ApiError(400, 5001, text)
    return rows[0]


def _document(row: Any) -> dict[str, Any]:
    return {"id": str(row[0]), "name": row[1], "created": vienna_text(row[2])}


@table.route("GET", "event", "externalevent.list")
def list_events(request: ApiRequest) -> Reply:
    """Answer all external events."""
    rows = request.state.rows("select event_id, name, created_at from events order by event_id")
    return envelope([_document(row) for row in rows])


@table.route("GET", "event/{id}", "externalevent.get", "externalevent.list")
def get_event(request: ApiRequest) -> Reply:
    """Answer one external event."""
    return envelope(_document(_event(request)))


def _free_name(request: ApiRequest) -> str:
    name = request.value("name")
    if not name or isinstance(name, (list, dict)):
        raise ApiError(400, 5002, "Parameter name is required.")
    if request.state.scalar("select count(*) from events where name = ?", [str(name)]):
        raise ApiError(400, 5003, "An external event with this name already exists.")
    return str(name)


@table.route("POST", "event", "externalevent.create")
def create_event(request: ApiRequest) -> Reply:
    """Create an external event."""
    name = _free_name(request)
    with request.state.write() as connection:
        event_id = next_id(connection, "events", "event_id", _FIRST_EVENT_ID)
        connection.execute("insert into events values (?, ?, ?)", [event_id, name, utc_now()])
    return envelope({"id": str(event_id), "name": name})


@table.route("POST", "event/{id}", "externalevent.update")
def rename_event(request: ApiRequest) -> Reply:
    """Rename an external event."""
    event = _event(request)
    name = _free_name(request)
    with request.state.write() as connection:
        connection.execute("update events set name = ? where event_id = ?", [name, event[0]])
    return envelope({"id": str(event[0]), "name": name})


@table.route("POST", "event/{id}/delete", "externalevent.delete")
def delete_event(request: ApiRequest) -> Reply:
    """Delete an external event, unless it starts a program."""
    event = _event(request)
    refuse_used_event(event[0])
    with request.state.write() as connection:
        connection.execute("delete from events where event_id = ?", [event[0]])
    return envelope("")


@table.route("GET", "event/{id}/usages", "externalevent.usages")
def get_usages(request: ApiRequest) -> Reply:
    """Answer which programs an event starts."""
    return envelope(EVENT_USAGES.get(_event(request)[0], []))


@table.route("POST", "event/{id}/trigger", "externalevent.trigger")
def trigger_event(request: ApiRequest) -> Reply:
    """Trigger an event for one contact or a batch; a repeated trigger_id changes nothing."""
    event = _event(request, "Invalid event id for customer.")
    body = request.fields
    is_batch = "contacts" in body
    items = body["contacts"] if is_batch else [body]
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ApiError(400, 2003, "Invalid data format. Array expected")
    if len(items) > MAX_CONTACTS:
        raise ApiError(400, 1000, "The request exceeded the maximum batch size of 1,000")
    for item in items:
        _check_item(item)
    starts_nothing = event[0] not in EVENT_USAGES
    if starts_nothing and request.state.setting("refuse_events_that_start_nothing"):
        raise ApiError(400, 5005, "No program or campaign is triggered.")
    ids, errors = _apply(request, event[0], items)
    connected = _connected(request)
    if is_batch:
        return envelope({"ids": ids, "errors": errors or [], **connected})
    for reasons in errors.values():
        for code, text in reasons.items():
            if code == "2008" and key_field(request, "3").name == "id":
                raise ApiError(400, 2012, "Invalid contact id for customer.")
            raise ApiError(400, int(code), text)
    return envelope(connected)


def _connected(request: ApiRequest) -> dict[str, Any]:
    """Return what accounts with Interactions are told: what listens to the event; here nothing."""
    if not request.state.setting("has_interactions"):
        return {}
    listeners = dict.fromkeys(("email", "acProgram", "interactionsProgram"), False)
    return {"connectedTo": listeners}


def _apply(
    request: ApiRequest, event_id: int, items: list[dict[str, Any]]
) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Trigger the event for each contact; return the contacts reached and the errors by key."""
    key = key_field(request, "3")
    values = [item.get("external_id") for item in items]
    ids: list[str] = []
    errors: dict[str, dict[str, str]] = {}
    accepted: list[tuple[int, dict[str, Any]]] = []
    with request.state.write() as connection:
        found = find_contacts(connection, key, [v for v in values if v not in (None, "")])
        for item, value in zip(items, values, strict=True):
            matches = found.get(key.normalise(value), [])
            if len(matches) == 1:
                ids.append(str(matches[0]))
                accepted.append((matches[0], item))
            elif value in (None, ""):
                text = f"No value provided for key field: {key.name}"
                errors.setdefault("", {})["2005"] = text
            elif matches:
                errors.setdefault(str(value), {})["2010"] = many_contacts(key, value)
            else:
                errors.setdefault(str(value), {})["2008"] = f"{no_contact(key)} - {value}"
        _remember(connection, event_id, accepted)
    return ids, errors


def _check_item(item: dict[str, Any]) -> None:
    data = item.get("data", {})
    if isinstance(data, str):
        try:
            data = json.loads(data) if data else {}
        except ValueError as error:
            raise ApiError(400, 5009, "Event data is not valid JSON.") from error
    if data != [] and data is not None and not isinstance(data, dict):
        raise ApiError(400, 5011, "Event data is not an object.")
    if len(json.dumps(data, ensure_ascii=False).encode()) > _MAX_DATA_BYTES:
        raise ApiError(400, 5008, _TOO_LARGE)
    moment = item.get("event_time")
    if moment is None:
        return
    try:
        datetime.fromisoformat(str(moment))
    except ValueError as error:
        raise ApiError(400, 5010, "Invalid event time format.") from error


def _remember(connection: Any, event_id: int, accepted: list[tuple[int, dict[str, Any]]]) -> None:
    """Keep triggers, except those whose trigger_id the event has seen for the contact."""
    for contact_id, item in accepted:
        trigger_id = item.get("trigger_id")
        seen = connection.execute(
            "select count(*) from event_triggers"
            " where event_id = ? and contact_id = ? and trigger_id = ?",
            [event_id, contact_id, trigger_id],
        ).fetchone()
        if trigger_id is not None and seen[0]:
            continue
        sequence = next_id(connection, "event_triggers", "sequence", 1)
        connection.execute(
            "insert into event_triggers values (?, ?, ?, ?, ?, ?, ?)",
            [
                sequence,
                event_id,
                contact_id,
                trigger_id,
                json.dumps(item.get("data", {})),
                item.get("event_time"),
                utc_now(),
            ],
        )
