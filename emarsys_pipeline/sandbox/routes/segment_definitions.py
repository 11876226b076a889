"""Creating and deleting segments, and combining them."""

from __future__ import annotations

import json
from typing import Any

from emarsys_pipeline.sandbox.contact_lists import list_exists
from emarsys_pipeline.sandbox.replies import ApiError, Reply, envelope
from emarsys_pipeline.sandbox.routing import ApiRequest, RouteTable
from emarsys_pipeline.sandbox.segments import find_segment, list_segments
from emarsys_pipeline.sandbox.state import next_id

_FIRST_NEW_SEGMENT_ID = 100400201
_RELATIONS = ("AND", "OR")

table = RouteTable()


@table.route("PUT", "filter", "segment.create")
def create_segment(request: ApiRequest) -> Reply:
    """Create a segment; its criteria are kept but not evaluated, so it has no members."""
    name = request.value("name")
    criteria = request.value("contactCriteria", request.value("contact_criteria"))
    if not isinstance(name, str) or not name.strip():
        raise ApiError(
            400, 1008, "Validation error: The following required fields are missing: name"
        )
    if any(segment.name == name for segment in list_segments(request.state)):
        raise ApiError(400, 1008, "Validation error: Filter name is duplicated.")
    if criteria is not None and not isinstance(criteria, dict):
        raise ApiError(400, 1008, "The criteria must be an object.")
    with request.state.write() as connection:
        number = next_id(connection, "segments", "segment_id", _FIRST_NEW_SEGMENT_ID)
        connection.execute(
            "insert into segments values (?, ?, 'standard', 0, false, null, null, ?)",
            [number, name, json.dumps(criteria or {})],
        )
    return envelope({"id": str(number)})


@table.route("GET", "filter/{id}/contact_criteria", "segment.criteria")
def get_criteria(request: ApiRequest) -> Reply:
    """Answer the criteria that a segment was created with."""
    segment = find_segment(request.state, request.path_values["id"])
    query = "select criteria from segments where segment_id = ?"
    stored = request.state.scalar(query, [segment.segment_id])
    return envelope(json.loads(stored) if stored else {})


@table.route("GET", "filter/{id}/delete", "segment.delete")
def delete_segment(request: ApiRequest) -> Reply:
    """Delete a segment, unless a combined segment is made of it."""
    segment = find_segment(request.state, request.path_values["id"])
    if any(segment.segment_id in other.segment_ids for other in list_segments(request.state)):
        raise ApiError(400, 1008, "Filter has dependencies.")
    with request.state.write() as connection:
        for name in ("segments", "memberships"):
            connection.execute(
                f"delete from {name} where segment_id = ?",  # noqa: S608 - names of ours
                [segment.segment_id],
            )
    return envelope("")


@table.route("POST", "combinedsegments", "combinedsegment.create")
def save_combined_segment(request: ApiRequest) -> Reply:
    """Create a combined segment, or update the one whose ``id`` is given.

    Its parts may hold contact lists as well, under ``contact_list_ids``; how Emarsys names them is
    not published, only that a list in use cannot be deleted.
    """
    if not isinstance(request.body, dict) or not request.body:
        raise ApiError(400, 13002, "Invalid JSON input.")
    name, number = request.value("name"), request.value("id")
    if not isinstance(name, str) or not name.strip():
        raise ApiError(400, 13003, "No name provided.")
    segments = {str(segment.segment_id): segment for segment in list_segments(request.state)}
    if number is not None:
        found = segments.get(str(number))
        if found is None or found.definition is None:
            raise ApiError(404, 13001, "Combined segment not found.")
    if any(s.name == name and key != str(number) for key, s in segments.items()):
        raise ApiError(400, 13004, "Name already exists.")
    definition = json.dumps(_checked_definition(request, set(segments)))
    with request.state.write() as connection:
        if number is None:
            number = next_id(connection, "segments", "segment_id", _FIRST_NEW_SEGMENT_ID)
        else:
            connection.execute("delete from segments where segment_id = ?", [int(number)])
        connection.execute(
            "insert into segments values (?, ?, 'combined', 0, false, null, ?, null)",
            [int(number), name, definition],
        )
    return envelope({"id": int(number)})


def _checked_definition(request: ApiRequest, known: set[str]) -> dict[str, Any]:
    definition = request.value("definition")
    refused = ApiError(400, 13005, "Definition is invalid.")
    if not isinstance(definition, dict):
        raise refused
    checked: dict[str, Any] = {}
    for name in ("include", "exclude"):
        part = definition.get(name, {"relation": "OR", "segment_ids": []})
        if not isinstance(part, dict) or part.get("relation", "OR") not in _RELATIONS:
            raise refused
        given, lists = part.get("segment_ids", []), part.get("contact_list_ids", [])
        if not isinstance(given, list) or not isinstance(lists, list):
            raise refused
        ids = [str(number) for number in given]
        if not set(ids) <= known:
            raise refused
        checked[name] = {"relation": part.get("relation", "OR"), "segment_ids": ids}
        if not all(list_exists(request.state, number) for number in lists):
            raise refused
        if lists:
            checked[name]["contact_list_ids"] = [str(number) for number in lists]
    if not (checked["include"]["segment_ids"] or checked["include"].get("contact_list_ids")):
        raise refused
    return checked
