"""Merging two contacts into one."""

from __future__ import annotations

from typing import Any

from emarsys_pipeline.sandbox.contact_keys import find_contacts
from emarsys_pipeline.sandbox.contact_writes import (
    apply_values,
    delete_contacts,
    record_changes,
)
from emarsys_pipeline.sandbox.replies import ApiError, Reply, envelope
from emarsys_pipeline.sandbox.routes.contacts import key_field, many_contacts, no_contact
from emarsys_pipeline.sandbox.routing import ApiRequest, RouteTable
from emarsys_pipeline.sandbox.state import append_field_writes

table = RouteTable()


@table.route("POST", "contact/merge", "contact.merge")
def merge_contacts(request: ApiRequest) -> Reply:
    """Fill the target's empty fields from the source; merge_rules are not looked at."""
    key = key_field(request, "3")
    fields = [f for f in request.state.catalogue.fields.values() if not f.is_read_only]
    columns = ", ".join(field.column for field in fields)
    with request.state.write() as connection:
        source_id, target_id = (
            _one(request, connection, key, name)
            for name in ("source_key_value", "target_key_value")
        )
        source, target = (
            connection.execute(
                f"select {columns} from contacts where id = ?",  # noqa: S608 - columns of ours
                [contact_id],
            ).fetchall()[0]
            for contact_id in (source_id, target_id)
        )
        filled: dict[int, str | None] = {
            field.field_id: given
            for field, given, held in zip(fields, source, target, strict=True)
            if held is None and given is not None
        }
        apply_values(connection, {target_id: filled})
        writes = [(target_id, field_id, value) for field_id, value in filled.items()]
        append_field_writes(connection, writes, request=request.number, source="api")
        record_changes(connection, {target_id: "0"})
        if request.value("delete_source"):
            delete_contacts(connection, [source_id])
    return envelope({"id": str(target_id)})


def _one(request: ApiRequest, connection: Any, key: Any, name: str) -> int:
    value = request.value(name)
    if value in (None, ""):
        raise ApiError(400, 2005, f"No value provided for key field: {key.name}")
    ids = find_contacts(connection, key, [value]).get(key.normalise(value), [])
    if not ids:
        raise ApiError(400, 2008, f"{no_contact(key)} - {value}")
    if len(ids) > 1:
        raise ApiError(400, 2010, many_contacts(key, value))
    return ids[0]
