"""Asynchronous runs of a segment, and of a segment for one contact."""

from __future__ import annotations

import secrets
from typing import Any

from emarsys_pipeline.sandbox.contact_lists import add_members_of_query, create_list
from emarsys_pipeline.sandbox.replies import ApiError, Reply, envelope
from emarsys_pipeline.sandbox.routing import ApiRequest, RouteTable, is_number
from emarsys_pipeline.sandbox.segments import find_segment, load_members, members_query
from emarsys_pipeline.sandbox.state import utc_now

_COLUMNS = "status, contact_list_id, user_count, opt_in_count, contact_id, segment_id, polls"

table = RouteTable()


def _start(request: ApiRequest, contact_id: int | None) -> Reply:
    segment = find_segment(request.state, request.path_values["id"])
    run_id = secrets.token_hex(16)
    with request.state.write() as connection:
        connection.execute(
            "insert into segment_runs (run_id, segment_id, status, created_at, contact_id, polls)"
            " values (?, ?, 'waiting', ?, ?, 0)",
            [run_id, segment.segment_id, utc_now(), contact_id],
        )
    return envelope({"run_id": run_id, "status": "waiting"})


@table.route("POST", "filter/{id}/runs", "segment.contacts.run")
def start_run(request: ApiRequest) -> Reply:
    """Start a run that puts a segment's contacts on a list; ``renew`` not while one waits."""
    waiting = request.state.scalar(
        "select count(*) from segment_runs"
        " where segment_id = ? and status = 'waiting' and contact_id is null",
        [int(request.path_values["id"])],
    )
    if waiting and str(request.value("renew", "")).lower() in ("1", "true"):
        raise ApiError(423, 6028, "Cannot run filters that often")
    return _start(request, None)


@table.route("POST", "filter/{id}/single_runs", "segment.contact.run")
def start_single_run(request: ApiRequest) -> Reply:
    """Start a run that tells whether one contact is in a segment."""
    contact_id = str(request.value("contact_id", ""))
    if not is_number(contact_id):
        raise ApiError(400, 10009, "Contact id for single run is not specified.")
    return _start(request, int(contact_id))


_NO_RUN = (404, 10008, "The segment run specified does not exist.")
_NO_SINGLE_RUN = (404, 10009, "The single segment run specified does not exist.")


def _poll(request: ApiRequest, missing: tuple[int, int, str] = _NO_RUN) -> tuple[Any, ...]:
    run_id = request.path_values["runId"]
    with request.state.write() as connection:
        connection.execute("update segment_runs set polls = polls + 1 where run_id = ?", [run_id])
    rows = request.state.rows(
        f"select {_COLUMNS} from segment_runs where run_id = ?",  # noqa: S608 - columns of ours
        [run_id],
    )
    if not rows:
        raise ApiError(*missing)
    return rows[0]


@table.route("GET", "filter/runs/{runId}", "segment.contacts.run.status")
@table.route("GET", "filter/{id}/runs/{runId}", "segment.contacts.run.status")
def get_run(request: ApiRequest) -> Reply:
    """Answer the status of a run, with its contact list once it is done."""
    status, list_id, users, opted_in, _contact_id, segment_id, polls = _poll(request)
    run_id = request.path_values["runId"]
    if status == "waiting" and polls > request.state.setting("run_polls_before_done"):
        list_id, users, opted_in = _finish(request, run_id, segment_id)
        status = "done"
    document: dict[str, Any] = {"run_id": run_id, "status": status}
    if status == "done":
        document["result"] = {
            "contact_list_id": list_id,
            "user_count": users,
            "opt_in_count": opted_in,
            "duration": 1830,
        }
    return envelope(document)


def _finish(request: ApiRequest, run_id: str, segment_id: int) -> tuple[int, int, int]:
    state = request.state
    segment = find_segment(state, segment_id)
    load_members(state, segment)
    list_id = create_list(state, f"Segment run {run_id}")
    users = add_members_of_query(state, list_id, members_query(segment))
    opted_in = int(
        state.scalar(
            "select count(*) from contacts where f_31 = '1' and id in"
            " (select contact_id from contact_list_members where contact_list_id = ?)",
            [list_id],
        )
    )
    with state.write() as connection:
        connection.execute(
            "update segment_runs set status = 'done', contact_list_id = ?, user_count = ?,"
            " opt_in_count = ? where run_id = ?",
            [list_id, users, opted_in, run_id],
        )
    return list_id, users, opted_in


@table.route("GET", "filter/single_runs/{runId}", "segment.contact.run.status")
def get_single_run(request: ApiRequest) -> Reply:
    """Answer whether the contact of a single run is in the segment."""
    contact_id, segment_id = _poll(request, _NO_SINGLE_RUN)[4:6]
    if contact_id is None:
        raise ApiError(*_NO_SINGLE_RUN)
    segment = find_segment(request.state, segment_id)
    query = f"select count(*) from ({members_query(segment)}) where contact_id = ?"  # noqa: S608
    is_in_segment = bool(request.state.scalar(query, [contact_id]))
    return envelope(
        {
            "run_id": request.path_values["runId"],
            "status": "done",
            "result": {"is_in_segment": is_in_segment},
        }
    )
