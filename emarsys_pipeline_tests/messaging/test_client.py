"""The client of the messaging platform: what it sends, and how it reads answers."""

import json
import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from emarsys_pipeline.messaging import (
    AccessRefusedError,
    ContactRefusedError,
    MessagingClient,
    MessagingError,
    NoAnswerError,
    PlatformFailedError,
    ThrottledError,
    UnreachableError,
    WrongAddressError,
)
from emarsys_pipeline.messaging.masking import mask_values

BODY = json.dumps(
    {"external_reference_id": "i1", "phone_numbers": [{"value": "+4915100000001"}], "city": "Graz"}
).encode()


class Server(ThreadingHTTPServer):
    """Answers every PUT as the test says, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.content = b""
        self.seen: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api/v1beta/contacts"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def test_the_body_travels_as_it_is_under_the_key(server: Server) -> None:
    with MessagingClient(server.url, "the-key") as client:
        assert client.upsert_contact(BODY) == 200
    ((path, headers, body),) = server.seen
    assert (path, body) == ("/api/v1beta/contacts", BODY)
    assert headers["x-api-key"] == "the-key"
    assert headers["Content-Type"] == "application/json"
    assert "the-key" not in repr(client)


@pytest.mark.parametrize(
    ("status", "headers", "content", "kind", "is_unknown"),
    [
        (429, {"Retry-After": "7"}, b"", ThrottledError, False),
        (401, {}, b"", AccessRefusedError, False),
        (403, {}, b"", AccessRefusedError, False),
        (404, {}, b"", WrongAddressError, False),
        (405, {}, b"", WrongAddressError, False),
        (302, {"Location": "http://127.0.0.1:9/"}, b"", WrongAddressError, False),
        (400, {}, b"", ContactRefusedError, False),
        (409, {}, b"", ContactRefusedError, False),
        (422, {}, b"", ContactRefusedError, False),
        (500, {}, b"", PlatformFailedError, True),
        (502, {}, b"", PlatformFailedError, True),
        (503, {}, b"", PlatformFailedError, False),
        (504, {}, b"", PlatformFailedError, True),
        (200, {}, b"<html></html>", NoAnswerError, True),
    ],
)
def test_each_answer_has_its_error(
    server: Server,
    status: int,
    headers: dict[str, str],
    content: bytes,
    kind: type[MessagingError],
    *,
    is_unknown: bool,
) -> None:
    server.status, server.headers, server.content = status, headers, content
    with (
        MessagingClient(server.url, "the-key") as client,
        pytest.raises(MessagingError) as caught,
    ):
        client.upsert_contact(BODY)
    assert type(caught.value) is kind
    assert (caught.value.http_status, caught.value.is_outcome_unknown) == (status, is_unknown)
    assert caught.value.wait_seconds == (7 if status == 429 else None)
    assert len(server.seen) == 1


def test_a_wait_may_be_named_as_a_date(server: Server) -> None:
    server.status, server.headers = 429, {"Retry-After": "Thu, 01 Jan 2026 00:01:00 GMT"}
    with (
        MessagingClient(server.url, "key", now=lambda: 1767225600.0) as client,
        pytest.raises(ThrottledError) as caught,
    ):
        client.upsert_contact(BODY)
    assert caught.value.wait_seconds == 60


def test_an_unreachable_platform_was_sent_nothing() -> None:
    with (
        MessagingClient("http://127.0.0.1:9/contacts", "key") as client,
        pytest.raises(UnreachableError) as caught,
    ):
        client.upsert_contact(BODY)
    assert not caught.value.is_outcome_unknown


def test_no_value_of_the_contact_is_in_an_error(server: Server) -> None:
    server.status = 422
    server.content = b"Graz is no city of +4915100000001, ask ops@example.org or 0151 2345678"
    with (
        MessagingClient(server.url, "key") as client,
        pytest.raises(ContactRefusedError) as caught,
    ):
        client.upsert_contact(BODY)
    assert caught.value.reply_text == ("<value> is no city of <value>, ask <email> or <number>")
    for leak in ("Graz", "4915100000001", "ops@", "2345678"):
        assert leak not in str(caught.value)


def test_masking_keeps_words_that_only_contain_a_value() -> None:
    assert mask_values("Grazing in Graz", BODY) == "Grazing in <value>"


def test_errors_survive_pickling() -> None:
    error = ContactRefusedError("was refused", http_status=422, reply_text="no")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - ours
    assert (str(copy), copy.http_status, copy.reply_text) == (str(error), 422, "no")
