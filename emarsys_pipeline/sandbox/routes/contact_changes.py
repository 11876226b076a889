"""Writing contacts: create, update, delete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from emarsys_pipeline.sandbox.contact_keys import find_contacts
from emarsys_pipeline.sandbox.contact_lists import add_members, list_exists
from emarsys_pipeline.sandbox.contact_writes import (
    NO_KEY,
    WriteOutcome,
    WriteRequest,
    delete_contacts,
    write_contacts,
)
from emarsys_pipeline.sandbox.faults import FaultRule
from emarsys_pipeline.sandbox.replies import ApiError, Reply, envelope
from emarsys_pipeline.sandbox.routes.contacts import (
    MAX_CONTACTS,
    key_field,
    many_contacts,
    no_contact,
)
from emarsys_pipeline.sandbox.routing import ApiRequest, RouteTable

PERMANENT = (2007, "Invalid choice id")
TRANSIENT = (2011, "Database error occurred. Please try again later.")

table = RouteTable()


@table.route("POST", "contact", "contact.create")
def create_contacts(request: ApiRequest) -> Reply:
    """Create one contact or a batch; existing ones are refused with 2009."""
    key = key_field(request, "3")
    if key.name in ("id", "uid"):
        raise ApiError(400, 2004, "Cannot use internal ID as key on contact creation")
    return _write(request, may_create=True, may_update=False)


@table.route("PUT", "contact", "contact.update")
@table.route("PUT", "contact/update", "contact.batchUpdate", "contact.update")
def update_contacts(request: ApiRequest) -> Reply:
    """Update one contact or a batch; create those that are missing when the request says so."""
    may_create = str(request.value("create_if_not_exists", "0")).lower() in ("1", "true")
    return _write(request, may_create=may_create, may_update=True)


@table.route("PUT", "contact/{contactId}", "contact.singleUpdate", "contact.single")
def update_contact(request: ApiRequest) -> Reply:
    """Update the contact whose internal id is in the path."""
    contact = {**request.fields, "key_id": "id", "id": request.path_values["contactId"]}
    return _write(replace(request, body=contact), may_create=False, may_update=True)


def _write(request: ApiRequest, *, may_create: bool, may_update: bool) -> Reply:
    key = key_field(request, "3")
    contacts, is_batch = _contacts_of(request)
    list_id = request.value("contact_list_id")
    if list_id is not None and not list_exists(request.state, list_id):
        raise ApiError(400, 2020, f"Invalid contact list id: {list_id}")
    outcome = write_contacts(
        request.state,
        WriteRequest(
            key=key,
            contacts=contacts,
            number=request.number,
            may_create=may_create,
            may_update=may_update,
            injected=_injected(request.fault) if is_batch else {},
        ),
    )
    if list_id is not None:
        add_members(request.state, int(list_id), [int(number) for number in outcome.ids])
    if is_batch:
        return envelope({"ids": outcome.ids, "errors": outcome.errors or []})
    return _single_answer(outcome, key.name)


def _contacts_of(request: ApiRequest) -> tuple[list[dict[str, Any]], bool]:
    body = request.fields
    if not body:
        raise ApiError(400, 1006, "Empty parameters")
    if "contacts" not in body:
        return [body], False
    contacts = body["contacts"]
    if not isinstance(contacts, list) or not all(isinstance(item, dict) for item in contacts):
        raise ApiError(400, 2003, "Invalid data format. Array expected")
    if len(contacts) > MAX_CONTACTS:
        raise ApiError(400, 1000, "The request exceeded the maximum batch size of 1,000")
    if "source_id" in body:
        contacts = [{"source_id": body["source_id"], **contact} for contact in contacts]
    return contacts, True


def _injected(fault: FaultRule | None) -> dict[int, tuple[int, str]]:
    """Return the refusals that a fault puts on the first contacts of a batch."""
    if fault is None or fault.name not in ("permanent_partial_errors", "transient_partial_errors"):
        return {}
    refusal = PERMANENT if fault.name.startswith("permanent") else TRANSIENT
    return dict.fromkeys(range(int(fault.details.get("count", 1))), refusal)


def _single_answer(outcome: WriteOutcome, key_name: str) -> Reply:
    for value, reasons in outcome.errors.items():
        for code, text in reasons.items():
            if value == NO_KEY and code == "2004":
                raise ApiError(400, 2005, f"No value provided for key field: {key_name}")
            raise ApiError(400, int(code), text)
    return envelope({"id": outcome.ids[0]})


@table.route("POST", "contact/delete", "contact.delete")
def delete(request: ApiRequest) -> Reply:
    """Delete contacts by key: ``{"key_id": "3", "3": ["a@example.org"]}``."""
    key = key_field(request, "3")
    values = key.key_of(request.fields, request.state.catalogue)
    if values is None:
        raise ApiError(400, 2005, f"No value provided for key field: {key.name}")
    wanted = values if isinstance(values, list) else [values]
    if len(wanted) > MAX_CONTACTS:
        raise ApiError(400, 1000, "The request exceeded the maximum batch size of 1,000")
    errors: dict[str, dict[str, str]] = {}
    deleted: list[int] = []
    with request.state.write() as connection:
        found = find_contacts(connection, key, wanted)
        for value in wanted:
            ids = found.get(key.normalise(value), [])
            if len(ids) == 1:
                deleted.append(ids[0])
            elif ids:
                errors[str(value)] = {"2010": many_contacts(key, value)}
            else:
                errors[str(value)] = {"2008": f"{no_contact(key)} - {value}"}
        delete_contacts(connection, deleted)
    if not deleted and wanted:
        raise ApiError(404, 2008, f"{no_contact(key)} - {wanted[0]}")
    if not isinstance(values, list):
        return envelope("")
    return envelope({"deleted_contacts": len(deleted), "errors": errors or []})
