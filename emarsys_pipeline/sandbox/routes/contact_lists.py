"""Contact lists."""

from __future__ import annotations

import re
from typing import Any

from emarsys_pipeline.sandbox import contact_lists
from emarsys_pipeline.sandbox.contact_keys import find_contacts
from emarsys_pipeline.sandbox.replies import ApiError, Reply, envelope, json_reply
from emarsys_pipeline.sandbox.routes.contacts import (
    key_field,
    many_contacts,
    no_contact,
    read_contacts,
)
from emarsys_pipeline.sandbox.routing import ApiRequest, RouteTable, is_number
from emarsys_pipeline.sandbox.segments import list_segments
from emarsys_pipeline.sandbox.state import vienna_text

MAX_IDS = 10_000
MAX_PAGE = 100_000
_MAX_LIMIT = 1_000_000
# Which characters Emarsys refuses is not published: those that no name needs.
_FORBIDDEN = re.compile(r"[<>\x00-\x08\x0b\x0c\x0e-\x1f]")
_NO_LIST = "No contact list found with the specified ID."

table = RouteTable()


def _refused(request: ApiRequest, code: int, text: str) -> ApiError:
    """Return the refusal of what a contact list is made of: documented under two HTTP statuses."""
    return ApiError(request.state.setting("contact_list_refusal_status"), code, text)


def _list_id(request: ApiRequest) -> int:
    list_id = request.path_values["id"]
    if int(list_id) == 0:
        raise ApiError(400, 3004, f"Invalid contact list id: {list_id}")
    if not contact_lists.list_exists(request.state, list_id):
        raise ApiError(request.state.setting("missing_contact_list_status"), 3006, _NO_LIST)
    return int(list_id)


def _resolve(request: ApiRequest) -> tuple[list[int], dict[str, dict[str, str]]]:
    """Return the contacts that ``external_ids`` names, and the errors of those it does not."""
    key = key_field(request, "3")
    values = request.value("external_ids", [])
    if values == {}:
        values = []
    if not isinstance(values, list):
        raise _refused(
            request, 3003, "Invalid datatype for the list of external IDs. Array expected."
        )
    if len(values) > MAX_IDS:
        raise _refused(request, 3002, "The list of external IDs exceeds the maximum size.")
    with request.state.read() as connection:
        found = find_contacts(connection, key, values)
    ids: list[int] = []
    errors: dict[str, dict[str, str]] = {}
    for value in values:
        matches = found.get(key.normalise(value), [])
        if len(matches) == 1:
            ids.append(matches[0])
        elif matches:
            errors[str(value)] = {"2010": many_contacts(key, value)}
        else:
            errors[str(value)] = {"2008": no_contact(key)}
    return ids, errors


def _checked_name(request: ApiRequest, missing: tuple[int, str]) -> str:
    name = request.value("name")
    if not name or isinstance(name, (list, dict)) or not str(name).strip():
        raise _refused(request, *missing)
    if _FORBIDDEN.search(str(name)):
        raise _refused(request, 3004, "List name contains invalid character(s).")
    if request.state.scalar("select count(*) from contact_lists where name = ?", [str(name)]):
        raise _refused(request, 3005, "Contact list with the requested name already exists.")
    return str(name)


@table.route("GET", "contactlist", "contactlist.list")
def get_lists(request: ApiRequest) -> Reply:
    """Answer all contact lists."""
    rows = request.state.rows(
        "select contact_list_id, name, created_at, type from contact_lists order by contact_list_id"
    )
    return envelope(
        [
            {"id": str(number), "name": name, "created": vienna_text(created), "type": kind}
            for number, name, created, kind in rows
        ]
    )


@table.route("POST", "contactlist", "contactlist.create")
def create_list(request: ApiRequest) -> Reply:
    """Create a contact list, with contacts if the request names any."""
    name = _checked_name(request, (3001, "List name is not set."))
    description = str(request.value("description") or "")
    if _FORBIDDEN.search(description):
        raise _refused(request, 3004, "Description contains invalid character(s).")
    ids, errors = _resolve(request)
    list_id = contact_lists.create_list(request.state, name, description)
    contact_lists.add_members(request.state, list_id, ids)
    document: dict[str, Any] = {"id": list_id}
    if request.value("external_ids"):
        document["errors"] = errors or []
    return envelope(document)


@table.route("POST", "contactlist/{id}/add", "contactlist.add")
def add_contacts(request: ApiRequest) -> Reply:
    """Add contacts to a list."""
    list_id = _list_id(request)
    ids, errors = _resolve(request)
    added = contact_lists.add_members(request.state, list_id, ids)
    return envelope({"inserted_contacts": added, "errors": errors or []})


@table.route("POST", "contactlist/{id}/replace", "contactlist.replace")
def replace_contacts(request: ApiRequest) -> Reply:
    """Replace the contacts of a list."""
    list_id = _list_id(request)
    ids, errors = _resolve(request)
    contact_lists.remove_members(request.state, list_id, None)
    added = contact_lists.add_members(request.state, list_id, ids)
    return envelope({"inserted_contacts": added, "errors": errors or []})


@table.route("POST", "contactlist/{id}/delete", "contactlist.delete")
def remove_contacts(request: ApiRequest) -> Reply:
    """Remove contacts from a list."""
    list_id = _list_id(request)
    ids, errors = _resolve(request)
    removed = contact_lists.remove_members(request.state, list_id, ids)
    return envelope({"deleted_contacts": removed, "errors": errors or []})


@table.route("POST", "contactlist/{id}/rename", "contactlist.rename")
def rename_list(request: ApiRequest) -> Reply:
    """Rename a list."""
    list_id = _list_id(request)
    name = _checked_name(request, (3004, "Parameter name is required."))
    with request.state.write() as connection:
        connection.execute(
            "update contact_lists set name = ? where contact_list_id = ?", [name, list_id]
        )
    return envelope({"id": list_id, "name": name})


@table.route("POST", "contactlist/{id}/deletelist", "contactlist.deletelist")
def delete_list(request: ApiRequest) -> Reply:
    """Delete a list, unless a combined segment is made of it."""
    list_id = _list_id(request)
    if any(list_id in segment.contact_list_ids for segment in list_segments(request.state)):
        text = "The contact list is used in a combined segment, you cannot delete it."
        raise ApiError(400, 3008, text)
    contact_lists.remove_members(request.state, list_id, None)
    with request.state.write() as connection:
        connection.execute("delete from contact_lists where contact_list_id = ?", [list_id])
    return envelope("")


@table.route("GET", "contactlist/{id}/count", "contactlist.count")
def count_contacts(request: ApiRequest) -> Reply:
    """Answer how many contacts a list has."""
    query = "select count(*) from contact_list_members where contact_list_id = ?"
    return envelope(request.state.scalar(query, [_list_id(request)]))


def _number(request: ApiRequest, name: str, default: int, maximum: int) -> int:
    text = str(request.value(name, default))
    if not is_number(text) or int(text) > maximum:
        raise ApiError(400, 10001, f"Invalid value for {name}: {text}")
    return int(text)


@table.route("GET", "contactlist/{id}/contactIds", "contactlist.contactids", "contactlist.contacts")
def get_contact_ids(request: ApiRequest) -> Reply:
    """Answer a page of a list's internal contact ids, without the envelope."""
    list_id = _list_id(request)
    top = _number(request, "$top", MAX_IDS, MAX_PAGE)
    after = _number(request, "$skiptoken", 0, 2**62)
    rows = request.state.rows(
        "select contact_id from contact_list_members where contact_list_id = ? and contact_id > ?"
        " order by contact_id limit ?",
        [list_id, after, top + 1],
    )
    ids = [number for (number,) in rows[:top]]
    following = None
    if len(rows) > top and ids:
        following = f"/contactlist/{list_id}/contactIds?$skiptoken={ids[-1]}&$top={top}"
    return json_reply({"value": ids, "next": following})


def _page_ids(request: ApiRequest, default_limit: int) -> list[int]:
    rows = request.state.rows(
        "select contact_id from contact_list_members where contact_list_id = ?"
        " order by contact_id limit ? offset ?",
        [
            _list_id(request),
            _number(request, "limit", default_limit, _MAX_LIMIT),
            _number(request, "offset", 0, 2**62),
        ],
    )
    return [number for (number,) in rows]


@table.route("GET", "contactlist/{id}", "contactlist.contacts")
@table.route("GET", "contactlist/{id}/contacts", "contactlist.contacts")
def get_contacts(request: ApiRequest) -> Reply:
    """Answer a page of a list's internal contact ids, as text (deprecated by Emarsys)."""
    return envelope([str(number) for number in _page_ids(request, _MAX_LIMIT)])


@table.route("GET", "contactlist/{id}/contacts/data", "contactlist.contacts.data")
def get_contact_values(request: ApiRequest) -> Reply:
    """Answer values of a page of a list's contacts (deprecated by Emarsys)."""
    ids = _page_ids(request, 1000)
    references = [item for item in str(request.value("fields", "")).split(",") if item]
    if not references:
        raise ApiError(400, 3007, "Contact fields value is not set.")
    fields = [request.state.catalogue.find(item) for item in references]
    known = [field for field in fields if field is not None]
    if len(known) != len(references):
        raise ApiError(400, 2006, "Invalid field id")
    with request.state.read() as connection:
        contacts = read_contacts(connection, ids, known)
    return envelope({str(number): {"fields": contacts[number]} for number in ids})
