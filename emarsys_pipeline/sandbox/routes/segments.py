"""Segments, their members, and combined segments."""

from __future__ import annotations

from emarsys_pipeline.sandbox.replies import ApiError, Reply, bad_parameter, envelope
from emarsys_pipeline.sandbox.routing import ApiRequest, RouteTable, is_number
from emarsys_pipeline.sandbox.segments import (
    Segment,
    count_members,
    evaluate,
    find_segment,
    list_segments,
    load_members,
    members_query,
)

MAX_MEMBERS = 1_000_000

table = RouteTable()


@table.route("GET", "filter", "segment.get", "segment.list")
def get_segments(request: ApiRequest) -> Reply:
    """Answer all segments, combined ones included."""
    return envelope([segment.document for segment in list_segments(request.state)])


@table.route("GET", "filter/{id}", "segment.list", "segment.get")
def get_segment(request: ApiRequest) -> Reply:
    """Answer one segment."""
    return envelope(find_segment(request.state, request.path_values["id"]).document)


@table.route("GET", "filter/{id}/contacts", "segment.contact.list")
def get_members(request: ApiRequest) -> Reply:
    """Answer a page of a segment's internal contact ids, as text."""
    limit, offset = _page(request)
    segment = find_segment(request.state, request.path_values["id"])
    evaluate(request.state, segment)
    load_members(request.state, segment)
    rows = request.state.rows(
        f"select contact_id::varchar from ({members_query(segment)})"  # noqa: S608 - numbers only
        " order by contact_id limit ? offset ?",
        [limit, offset],
    )
    return envelope([contact_id for (contact_id,) in rows])


def _page(request: ApiRequest) -> tuple[int, int]:
    limit, offset = request.value("limit"), str(request.value("offset", "0") or "0")
    if limit is None:
        raise bad_parameter("Limit is a required parameter.")
    if not is_number(str(limit)) or int(limit) == 0:
        raise bad_parameter("Limit must be a positive number.")
    if int(limit) > MAX_MEMBERS:
        raise bad_parameter("Limit must be less than 1000000.")
    if not is_number(offset):
        raise bad_parameter("Offset must be zero, or a positive number.")
    return int(limit), int(offset)


@table.route("GET", "filter/{id}/contacts/count", "segment.contact.count")
def get_member_count(request: ApiRequest) -> Reply:
    """Answer how many contacts a segment has."""
    segment = find_segment(request.state, request.path_values["id"])
    evaluate(request.state, segment)
    return envelope(count_members(request.state, segment))


@table.route("GET", "filter/{id}/contacts/{contactId}", "segment.contact.lookup")
def is_member(request: ApiRequest) -> Reply:
    """Answer whether a contact is in a segment."""
    segment = find_segment(request.state, request.path_values["id"])
    evaluate(request.state, segment)
    found = request.state.scalar(
        f"select count(*) from ({members_query(segment)}) where contact_id = ?",  # noqa: S608
        [int(request.path_values["contactId"])],
    )
    return envelope(bool(found))


def _combined(request: ApiRequest) -> list[Segment]:
    return [s for s in list_segments(request.state) if s.definition is not None]


@table.route("GET", "combinedsegments", "combinedsegment.list")
def get_combined_segments(request: ApiRequest) -> Reply:
    """Answer the combined segments; their ids work wherever a segment's id does."""
    return envelope([{"id": s.segment_id, "name": s.name} for s in _combined(request)])


@table.route("GET", "combinedsegments/{id}", "combinedsegment.get")
def get_combined_segment(request: ApiRequest) -> Reply:
    """Answer a combined segment with its definition."""
    for segment in _combined(request):
        if segment.segment_id == int(request.path_values["id"]):
            document = {"id": segment.segment_id, "name": segment.name}
            return envelope({**document, "definition": segment.definition})
    raise ApiError(404, 13001, "Combined segment not found.")
