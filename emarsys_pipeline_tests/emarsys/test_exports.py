"""Exports: what is asked for, how long is waited, and that only whole files are accepted."""

from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from emarsys_pipeline.emarsys import DownloadedExport, EmarsysClient, ExportStatus, errors
from emarsys_pipeline.emarsys.export_flow import fetch_export
from emarsys_pipeline_tests.emarsys.scripted_server import (
    Answer,
    ScriptedServer,
    csv_file,
    cut_off,
    envelope,
    ok,
    reset_connection,
)

CSV = "text/csv;charset=UTF-8"
COMMON = {
    "distribution_method": "local",
    "contact_fields": [1, 3],
    "delimiter": ",",
    "add_field_names_header": 1,
    "language": "en",
}
RUNNING = envelope(4001, "An export with the same setting is currently running.", status=400)
IN_PROGRESS = envelope(4005, "Export is currently in progress.", status=404)


def test_a_segment_export_asks_for_a_local_file_with_a_header(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(ok({"id": 5120}))
    assert client.start_segment_export("100400101", ["1", "3"]) == "5120"
    (asked,) = server.requests
    assert (asked.path, asked.json) == ("/api/v2/export/filter", {"filter": 100400101, **COMMON})


def test_a_marker_makes_two_exports_differ(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok({"id": 5120}))
    client.start_segment_export("1", ["1", "3"], language="de", notification_marker="m1")
    assert server.requests[0].json == {
        "filter": 1,
        **COMMON,
        "language": "de",
        "notification_url": "https://notification.invalid/m1",
    }


def test_a_changes_export_covers_whole_days(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok({"id": "5121"}))
    since, until = date(2026, 11, 22), date(2026, 11, 24)
    assert client.start_changes_export(["1", "3"], since=since, until=until) == "5121"
    (asked,) = server.requests
    assert (asked.path, asked.json) == (
        "/api/v2/contact/getchanges",
        {
            "origin": "all",
            "origin_id": "0",
            "time_range": ["2026-11-22", "2026-11-24"],
            **COMMON,
        },
    )


def test_a_contact_list_export_uses_its_own_endpoint(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(ok({"id": 1}))
    client.start_contact_list_export("77", ["1", "3"])
    (asked,) = server.requests
    assert (asked.path, asked.json) == ("/api/v2/email/getcontacts", {"contactlist": 77, **COMMON})


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (lambda client: client.start_segment_export("1", [str(n) for n in range(100, 121)]), "21"),
        (lambda client: client.start_segment_export("1", []), "0 fields"),
        (lambda client: client.start_segment_export("1", ["1", "32"]), "fields 32"),
        (
            lambda client: client.start_changes_export(
                ["1"], since=date(2026, 1, 2), until=date(2026, 1, 2)
            ),
            "before",
        ),
    ],
    ids=["21 fields", "no field", "a field that is never exported", "no day"],
)
def test_what_emarsys_would_refuse_is_not_sent(
    server: ScriptedServer,
    client: EmarsysClient,
    start: Callable[[EmarsysClient], str],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        start(client)
    assert server.requests == []


def test_a_running_twin_is_told_apart(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(RUNNING)
    with pytest.raises(errors.ExportAlreadyRunningError):
        client.start_segment_export("1", ["1"])
    assert len(server.requests) == 1


def test_a_lost_start_is_unknown_and_not_repeated(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(Answer(sabotage=reset_connection))
    with pytest.raises(errors.NoReplyError) as caught:
        client.start_segment_export("1", ["1"])
    assert (len(server.requests), caught.value.is_outcome_unknown) == (1, True)


def status(text: str) -> Answer:
    return ok({"id": "5", "created": "2025-03-30 03:15:00", "status": text, "file_name": None})


def test_an_export_is_waited_for_until_it_is_done_not_only_ready(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    states = ["scheduled", "in progress", "ready"]
    server.answer_with(*map(status, [*states, "done"]))
    seen: list[ExportStatus] = []
    done = client.wait_for_export("5", poll_seconds=0.01, on_wait=seen.append)
    assert done == ExportStatus("5", "done", None, "2025-03-30 03:15:00")
    assert [state.status for state in seen] == states


def test_polls_become_slower(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(*map(status, ["scheduled"] * 5), status("done"))
    client.wait_for_export("5", poll_seconds=0.05)
    times = [request.at for request in server.requests]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[0] >= 0.05
    assert pauses[-1] >= 0.25


def test_a_failed_export_is_an_error(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(status("error"))
    with pytest.raises(errors.ExportFailedError, match="Start a new export"):
        client.wait_for_export("5")


def test_waiting_ends_at_the_deadline(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(status("in progress"))
    with pytest.raises(errors.ExportNotReadyError, match="still in progress"):
        client.wait_for_export("5", poll_seconds=0.01, deadline_seconds=0.1)


def download(client: EmarsysClient, folder: Path) -> DownloadedExport:
    return client.download_export("5", folder / "export.csv")


@pytest.mark.parametrize(
    ("text", "header", "rows", "has_user_id", "line_end"),
    [
        ("user_id,First Name\r\n1,Mina\r\n2,\r\n", ("user_id", "First Name"), 2, True, "\r\n"),
        ("First Name,Email\n", ("First Name", "Email"), 0, False, "\n"),
        ('a,b\r\n"x\r\ny","say ""hi"""\r\n1,5" pipe\r\n', ("a", "b"), 2, False, "\r\n"),
        ("\ufeffuser_id,a\n1,2\n", ("user_id", "a"), 1, True, "\n"),
        ("Name,Name\n1,2\n", ("Name", "Name"), 1, False, "\n"),
        ("a\n\n1\n", ("a",), 2, False, "\n"),
    ],
    ids=["CRLF", "header only", "quotes", "BOM", "repeated names", "one column, empty value"],
)
def test_a_whole_file_is_described(
    server: ScriptedServer,
    client: EmarsysClient,
    tmp_path: Path,
    text: str,
    header: tuple[str, ...],
    rows: int,
    has_user_id: bool,  # noqa: FBT001 a column of the table
    line_end: str,
) -> None:
    server.answer_with(csv_file(text))
    path = tmp_path / "export.csv"
    assert download(client, tmp_path) == DownloadedExport(
        path, len(text.encode()), header, rows, has_user_id, line_end
    )
    assert path.read_bytes() == text.encode()
    assert server.requests[0].path == "/api/v2/export/5/data"
    assert client.bytes_received == len(text.encode())


@pytest.mark.parametrize(
    "answer",
    [
        csv_file(""),
        csv_file("a,b\r\n1,2\r\n3,"),
        csv_file("a,b\r\n1,2\r\n3"),
        csv_file('a,b\r\n1,"2\r\n'),
        csv_file('a,b\n1,2\n3,"4\n5,6\n'),
        csv_file("a,b\r\n1,2\r\n3\r\n"),
        csv_file("a,b\r\n1,2,3\r\n"),
        csv_file('a,b\r\n1,"2"3\r\n'),
        Answer(200, b"a,b\n1,\xff\n", {"Content-Type": CSV}),
    ],
    ids=[
        "empty",
        "cut in a record",
        "cut in a cell",
        "cut in quotes",
        "open quote before records",
        "short record",
        "long record",
        "text after a quote",
        "not UTF-8",
    ],
)
def test_an_incomplete_file_is_refused_after_three_downloads(
    server: ScriptedServer, client: EmarsysClient, tmp_path: Path, answer: Answer
) -> None:
    server.answer_with(answer)
    with pytest.raises(errors.IncompleteExportError):
        download(client, tmp_path)
    assert (len(server.requests), list(tmp_path.iterdir())) == (3, [])


@pytest.mark.parametrize(
    "failure",
    [
        cut_off(b"a,b\r\n1,2\r\n", 500, CSV),
        csv_file("a,b\r\n1,"),
        IN_PROGRESS,
        envelope(4007, "Server error occurred.", status=500),
        Answer(503, b"<html>"),
    ],
    ids=["cut off by the network", "cut off at the source", "in progress", "4007", "503"],
)
def test_a_download_is_repeated_from_its_beginning(
    server: ScriptedServer, client: EmarsysClient, tmp_path: Path, failure: Answer
) -> None:
    server.answer_with(failure, csv_file("a,b\r\n1,2\r\n3,4\r\n"))
    assert download(client, tmp_path).rows == 2
    assert [path.name for path in tmp_path.iterdir()] == ["export.csv"]


@pytest.mark.parametrize(
    ("answer", "kind", "requests"),
    [
        (envelope(4003, "gone", status=410), errors.ExportFailedError, 1),
        (envelope(4006, "not found", status=404), errors.ExportFailedError, 1),
        (envelope(4007, "error", status=500), errors.ExportFailedError, 3),
        (envelope(4004, "bug", status=404), errors.RejectedRequestError, 1),
        (ok({"rows": []}), errors.UnreadableReplyError, 3),
        (Answer(200, b"[]", {"Content-Type": "application/json"}), errors.UnreadableReplyError, 3),
    ],
    ids=["expired", "not found", "broken", "not local", "an envelope", "bare JSON"],
)
def test_an_answer_without_a_file_says_what_to_do(
    server: ScriptedServer,
    client: EmarsysClient,
    tmp_path: Path,
    answer: Answer,
    kind: type[errors.EmarsysError],
    requests: int,
) -> None:
    server.answer_with(answer)
    with pytest.raises(errors.EmarsysError) as caught:
        download(client, tmp_path)
    assert (type(caught.value), len(server.requests)) == (kind, requests)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_bytes(
    server: ScriptedServer, client: EmarsysClient, tmp_path: Path
) -> None:
    text = "a\n" + "x\n" * 400_000
    server.answer_with(csv_file(text))
    seen: list[int] = []
    client.download_export("5", tmp_path / "export.csv", on_bytes=seen.append)
    assert seen == sorted(seen)
    assert (len(seen) > 1, seen[-1]) == (True, len(text))


def fetch(client: EmarsysClient, folder: Path) -> DownloadedExport:
    def start(marker: str | None) -> str:
        return client.start_segment_export("1", ["1"], notification_marker=marker)

    return fetch_export(
        client,
        start,
        folder / "export.csv",
        poll_seconds=0.01,
        deadline_seconds=5,
        already_running_poll_seconds=0.01,
    )


@pytest.mark.parametrize(
    "lost",
    [[status("error")], [status("done"), envelope(4003, "gone", status=410)]],
    ids=["errored", "expired"],
)
def test_a_lost_export_is_started_again(
    server: ScriptedServer, client: EmarsysClient, tmp_path: Path, lost: list[Answer]
) -> None:
    server.answer_with(ok({"id": 5}), *lost, ok({"id": 6}), status("done"), csv_file("a\nx\n"))
    assert fetch(client, tmp_path).rows == 1
    assert server.requests[-1].path == "/api/v2/export/6/data"


def test_an_export_is_started_three_times_at_most(
    server: ScriptedServer, client: EmarsysClient, tmp_path: Path
) -> None:
    server.answer_with(*[ok({"id": 5}), status("error")] * 4)
    with pytest.raises(errors.ExportFailedError):
        fetch(client, tmp_path)
    assert [request.method for request in server.requests] == ["POST", "GET"] * 3


def test_a_lost_start_waits_for_the_running_twin_instead_of_making_another(
    server: ScriptedServer, client: EmarsysClient, tmp_path: Path
) -> None:
    server.answer_with(
        Answer(sabotage=reset_connection),
        RUNNING,
        RUNNING,
        ok({"id": 6}),
        status("done"),
        csv_file("a\nx\n"),
    )
    assert fetch(client, tmp_path).rows == 1
    bodies = [request.json for request in server.requests if request.method == "POST"]
    assert bodies == [bodies[0]] * 4


def test_a_twin_that_never_ends_does_not_hang(
    server: ScriptedServer, client: EmarsysClient, tmp_path: Path
) -> None:
    server.answer_with(RUNNING)
    with pytest.raises(errors.ExportAlreadyRunningError):
        fetch_export(
            client,
            lambda marker: client.start_segment_export("1", ["1"], notification_marker=marker),
            tmp_path / "export.csv",
            deadline_seconds=0.1,
            already_running_poll_seconds=0.02,
        )
