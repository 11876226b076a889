"""Segments: waiting for an evaluation, and walking pages."""

import pytest

from emarsys_pipeline.emarsys import EmarsysClient, Segment, errors
from emarsys_pipeline_tests.emarsys.scripted_server import ScriptedServer, envelope, ok

EVALUATING = envelope(10001, "The segment is currently evaluated.", status=202)
BUSY = envelope(10003, "The admin already running a segment.", status=423)


def test_segments_have_text_ids_and_their_type(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(
        ok([{"id": 100400101, "name": "A", "type": "standard"}, {"id": "2", "name": None}])
    )
    assert client.list_segments() == [Segment("100400101", "A", "standard"), Segment("2", "", "")]


def test_combined_segments_are_marked(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok([{"id": 33, "name": "A or B"}]))
    assert client.list_combined_segments() == [Segment("33", "A or B", "combined")]
    assert server.requests[0].path == "/api/v2/combinedsegments"


@pytest.mark.parametrize("data", [4711, "4711", {"count": 4711}], ids=["int", "text", "map"])
def test_a_count_waits_until_the_segment_is_evaluated(
    server: ScriptedServer, client: EmarsysClient, data: object
) -> None:
    server.answer_with(BUSY, EVALUATING, EVALUATING, ok(data))
    assert client.count_segment("100400101") == 4711
    assert len(server.requests) == 4


def test_a_count_that_is_no_number_is_an_error(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(ok(""))
    with pytest.raises(errors.UnreadableReplyError, match="holds no number"):
        client.count_segment("1")


def test_members_come_in_pages_of_text_ids(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(EVALUATING, ok(["1", 2]), BUSY, ok(["3"]))
    assert list(client.segment_contact_ids("9", page_size=2)) == [["1", "2"], ["3"]]
    assert [request.path.removeprefix("/api/v2/") for request in server.requests] == [
        "filter/9/contacts?limit=2&offset=0",
        "filter/9/contacts?limit=2&offset=0",
        "filter/9/contacts?limit=2&offset=2",
        "filter/9/contacts?limit=2&offset=2",
    ]


def test_an_empty_segment_has_no_page(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok([]))
    assert list(client.segment_contact_ids("9")) == []


def test_a_page_that_repeats_ends_the_walk(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok(["1", "2"]))
    with pytest.raises(errors.UnreadableReplyError, match="offset 2 repeats"):
        list(client.segment_contact_ids("9", page_size=2))


def test_a_run_is_followed_to_its_contact_list(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    done = {"run_id": "c0ffee", "status": "done", "result": {"contact_list_id": 9, "user_count": 3}}
    server.answer_with(
        ok({"run_id": "c0ffee", "status": "waiting"}),
        ok({"run_id": "c0ffee", "status": "running"}),
        ok(done),
    )
    run = client.start_segment_run("5")
    finished = client.wait_for_segment_run(run.run_id, poll_seconds=0.01)
    assert (finished.contact_list_id, finished.user_count) == ("9", 3)


def test_a_failed_run_is_an_error(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok({"run_id": "c0ffee", "status": "error"}))
    with pytest.raises(errors.RejectedRequestError, match="ended in an error"):
        client.wait_for_segment_run("c0ffee")
