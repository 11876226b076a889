"""Who is in a segment, and whether its evaluation is already done."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from emarsys_pipeline.sandbox.generate import EVERYONE, ensure_members
from emarsys_pipeline.sandbox.replies import ApiError
from emarsys_pipeline.sandbox.state import State

_EVALUATED = "The segment is currently evaluated."
_BUSY = "The admin already running a segment. Please wait until it is finished."
# What a slow segment answers before its first result.
SLOW_ANSWERS = (202, 423, 202)


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of the account."""

    segment_id: int
    name: str
    segment_type: str
    is_slow: bool
    member_count: int | None
    definition: dict[str, Any] | None

    @property
    def segment_ids(self) -> set[int]:
        """The segments that a combined segment is made of."""
        return self._parts("segment_ids")

    @property
    def contact_list_ids(self) -> set[int]:
        """The contact lists that a combined segment is made of."""
        return self._parts("contact_list_ids")

    def _parts(self, kind: str) -> set[int]:
        parts = (self.definition or {}).values()
        return {int(number) for part in parts for number in part.get(kind, [])}

    @property
    def document(self) -> dict[str, Any]:
        """The segment as ``GET filter`` tells it."""
        return {"id": str(self.segment_id), "name": self.name, "type": self.segment_type}


def list_segments(state: State) -> list[Segment]:
    """Return all segments by id."""
    rows = state.rows(
        "select segment_id, name, type, is_slow, member_count, definition"
        " from segments order by segment_id"
    )
    return [
        Segment(number, name, kind, is_slow, count, json.loads(definition) if definition else None)
        for number, name, kind, is_slow, count, definition in rows
    ]


def find_segment(state: State, segment_id: Any) -> Segment:
    """Return a segment.

    Raises:
        ApiError: 404 with 10002 when there is none.
    """
    number = int(segment_id)
    if number == EVERYONE:
        return Segment(
            segment_id=EVERYONE,
            name="All contacts",
            segment_type="standard",
            is_slow=False,
            member_count=None,
            definition=None,
        )
    for segment in list_segments(state):
        if segment.segment_id == number:
            return segment
    raise ApiError(404, 10002, "The segment specified does not exist.")


def members_query(segment: Segment) -> str:
    """Return SQL that selects ``contact_id`` of the members."""
    if segment.segment_id == EVERYONE:
        return "select id as contact_id from contacts"
    if segment.definition is None:
        return f"select contact_id from memberships where segment_id = {segment.segment_id:d}"  # noqa: S608 - a number
    include, exclude = segment.definition["include"], segment.definition["exclude"]
    query = _combine(include)
    if exclude["segment_ids"] or exclude.get("contact_list_ids"):
        query = f"({query}) except ({_combine(exclude)})"
    return query


def _combine(part: dict[str, Any]) -> str:
    joint = " intersect " if part["relation"] == "AND" else " union "
    return joint.join(
        f"select contact_id from {table} where {column} = {int(number):d}"  # noqa: S608 - a number
        for table, column, numbers in (
            ("memberships", "segment_id", part["segment_ids"]),
            ("contact_list_members", "contact_list_id", part.get("contact_list_ids", [])),
        )
        for number in numbers
    )


def count_members(state: State, segment: Segment) -> int:
    """Return how many contacts a segment has."""
    if segment.member_count is not None:
        return segment.member_count
    return int(state.scalar(f"select count(*) from ({members_query(segment)})"))  # noqa: S608


def load_members(state: State, segment: Segment) -> None:
    """Make sure that a segment's contacts exist, where they are generated at first use."""
    if segment.member_count is not None:
        ensure_members(state, segment.segment_id)


def evaluate(state: State, segment: Segment) -> None:
    """Answer 202 or 423 as long as a segment's evaluation is not done.

    Raises:
        ApiError: the evaluation is not done.
    """
    answers = (
        SLOW_ANSWERS if segment.is_slow else (202,) * state.setting("evaluations_before_result")
    )
    before = state.evaluations.ask(segment.segment_id) if answers else 0
    if before >= len(answers):
        return
    if answers[before] == 423:
        raise ApiError(423, 10003, _BUSY)
    raise ApiError(202, 10001, _EVALUATED)
