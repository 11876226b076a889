"""Every way in which a call can fail, over a real connection."""

import pickle
import socket
from collections.abc import Callable
from typing import Any

import pytest

from emarsys_pipeline.emarsys import EmarsysClient, WsseCredentials, errors
from emarsys_pipeline_tests.emarsys.conftest import FAST
from emarsys_pipeline_tests.emarsys.scripted_server import (
    Answer,
    ScriptedServer,
    cut_off,
    envelope,
    ok,
    reset_connection,
)

JSON = "application/json"
Call = Callable[[EmarsysClient], object]


def read(client: EmarsysClient) -> object:
    return client.list_segments()


def write(client: EmarsysClient) -> object:
    return client.update_contacts([{"id": "700100", "1": "Mina"}])


OUTCOMES = {
    # answer: (error, attempts of a read, attempts of a write, is a write's outcome unknown)
    "200 failing code": (envelope(1003, "Internal"), errors.RejectedRequestError, 1, 1, False),
    "400": (envelope(10001, "no", status=400), errors.RejectedRequestError, 1, 1, False),
    "401": (envelope(1, "no", status=401), errors.AuthenticationError, 1, 1, False),
    "403 without JSON": (Answer(403, b"no"), errors.PermissionMissingError, 1, 1, False),
    "404": (envelope(10002, "no", status=404), errors.RejectedRequestError, 1, 1, False),
    "413 without JSON": (Answer(413), errors.RejectedRequestError, 1, 1, False),
    "429": (
        envelope(7003, "no", status=429, headers={"Retry-After": "0"}),
        errors.RateLimitedError,
        4,
        4,
        False,
    ),
    "500": (envelope(1003, "no", status=500), errors.ServerError, 3, 1, True),
    "501": (Answer(501), errors.ServerError, 1, 1, False),
    "502 HTML": (Answer(502, b"<html>"), errors.ServerError, 3, 1, True),
    "503 empty": (Answer(503), errors.ServerError, 4, 4, False),
    "redirect": (
        Answer(301, b"", {"Location": "http://127.0.0.1:1/"}),
        errors.RejectedRequestError,
        1,
        1,
        False,
    ),
    "reset": (Answer(sabotage=reset_connection), errors.NoReplyError, 4, 1, True),
    "silence": (Answer(delay_seconds=0.8), errors.NoReplyError, 4, 1, True),
    "cut off": (cut_off(b'{"replyCode":0', 500, JSON), errors.NoReplyError, 4, 1, True),
    "HTML": (Answer(200, b"<html>hello"), errors.UnreadableReplyError, 3, 1, True),
    "empty body": (Answer(200), errors.UnreadableReplyError, 3, 1, True),
    "no reply code": (Answer(200, b'{"a": 1}'), errors.UnreadableReplyError, 3, 1, True),
    "a list": (Answer(200, b"[]"), errors.UnreadableReplyError, 3, 1, True),
}


@pytest.mark.parametrize(
    ("answer", "kind", "reads", "writes", "is_unknown"), OUTCOMES.values(), ids=OUTCOMES
)
def test_each_failure_has_its_error_and_its_number_of_attempts(
    server: ScriptedServer,
    client: EmarsysClient,
    answer: Answer,
    kind: type[errors.EmarsysError],
    reads: int,
    writes: int,
    is_unknown: bool,  # noqa: FBT001 a column of the table
) -> None:
    server.answer_with(answer)
    with pytest.raises(errors.EmarsysError) as read_error:
        read(client)
    sent_by_read = len(server.requests)
    with pytest.raises(errors.EmarsysError) as write_error:
        write(client)
    assert (type(read_error.value), type(write_error.value)) == (kind, kind)
    assert (sent_by_read, len(server.requests) - sent_by_read) == (reads, writes)
    assert write_error.value.is_outcome_unknown is is_unknown
    assert read_error.value.is_outcome_unknown is False
    assert read_error.value.remedy
    assert client.calls == reads + writes


@pytest.mark.parametrize("call", [read, write], ids=["read", "write"])
def test_what_was_never_sent_is_tried_again_and_not_unknown(call: Call) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with (
            EmarsysClient(WsseCredentials("u", "s"), base_url=url, retries=FAST) as client,
            pytest.raises(errors.NoReplyError, match="could not be sent") as caught,
        ):
            call(client)
        assert (client.calls, caught.value.is_outcome_unknown) == (5, False)


@pytest.mark.parametrize(
    "transient",
    [Answer(503), Answer(502), Answer(sabotage=reset_connection), Answer(200, b"<html>")],
    ids=["503", "502", "reset", "HTML"],
)
def test_a_read_survives_a_passing_failure(
    server: ScriptedServer, client: EmarsysClient, transient: Answer
) -> None:
    server.answer_with(transient, ok([{"id": 5, "name": "A"}]))
    assert [segment.id for segment in client.list_segments()] == ["5"]


def test_json_is_read_whatever_its_content_type_says(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(ok([{"id": "5", "name": "A"}], {"Content-Type": "text/html; charset=utf-8"}))
    assert [segment.name for segment in client.list_segments()] == ["A"]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        (
            {
                "Date": "Thu, 15 Jan 2026 08:00:00 GMT",
                "Retry-After": "Thu, 15 Jan 2026 08:00:09 GMT",
            },
            9,
        ),
        ({"Date": "Thu, 15 Jan 2026 08:00:00 GMT", "X-RateLimit-Reset": "1768464011"}, 11),
        ({"Date": "Thu, 15 Jan 2026 08:00:00 GMT", "X-RateLimit-Reset": "1868464011"}, 90),
        ({}, 60),
    ],
    ids=["seconds", "date", "reset by the server's clock", "far too long", "nothing said"],
)
def test_a_rate_limited_call_knows_when_to_come_back(
    server: ScriptedServer, headers: dict[str, str], seconds: float
) -> None:
    server.answer_with(envelope(7003, "Too many requests", status=429, headers=headers))
    impatient = FAST.__class__(total_seconds=1)
    credentials = WsseCredentials("u", "s")
    with (
        EmarsysClient(credentials, base_url=server.url, retries=impatient) as client,
        pytest.raises(errors.RateLimitedError) as caught,
    ):
        client.list_segments()
    assert caught.value.wait_seconds == seconds
    assert len(server.requests) == 1


def test_personal_data_of_a_reply_text_is_masked(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    text = "No contact found with the external id: 3 - mina@example.org"
    server.answer_with(envelope(2008, text, status=400))
    with pytest.raises(errors.RejectedRequestError) as caught:
        read(client)
    assert caught.value.reply_text == "No contact found with the external id: 3 - <value>"
    assert "mina" not in str(caught.value)


def test_the_cause_of_an_error_does_not_carry_the_query(client: EmarsysClient) -> None:
    client._transport.base_url = "http://127.0.0.1:9"
    with pytest.raises(errors.NoReplyError) as caught:
        list(client.query_contacts(return_field="3", where={"3": "mina@example.org"}))
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


FACTS: dict[str, Any] = {
    "method": "GET",
    "path": "filter",
    "http_status": 400,
    "reply_code": 1,
    "reply_text": "t",
}


@pytest.mark.parametrize(
    "error",
    [
        errors.NoReplyError(method="GET", path="filter", reason="ReadTimeout", was_sent=True),
        errors.UnreadableReplyError(method="GET", path="filter", http_status=200, reason="no"),
        errors.IncompleteExportError(export_id="5", reason="cut"),
        errors.ExportNotReadyError(export_id="5", reason="slow"),
        errors.ContactFailedError(action="get", code=2008, text="no", is_retryable=False),
        errors.AuthenticationError(**FACTS, clock_skew_seconds=400.0),
        errors.RateLimitedError(**FACTS, wait_seconds=3.0),
        errors.ExportAlreadyRunningError(**FACTS),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_pickling(error: errors.EmarsysError) -> None:
    error.is_outcome_unknown = True
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 our own bytes
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))
