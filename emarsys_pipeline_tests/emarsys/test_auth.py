"""Signing in: what goes over the wire, and when a token is fetched."""

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from emarsys_pipeline.emarsys import EmarsysClient, OAuth2Credentials, WsseCredentials, errors
from emarsys_pipeline.emarsys.auth import wsse_days_left, wsse_digest
from emarsys_pipeline_tests.emarsys.conftest import FAST
from emarsys_pipeline_tests.emarsys.scripted_server import (
    Answer,
    ScriptedServer,
    envelope,
    ok,
    scripted_server,
)

WSSE = re.compile(
    r'UsernameToken Username="(.*?)", PasswordDigest="(.*?)", Nonce="([0-9a-f]{32})", '
    r'Created="(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"'
)


def token(value: str, lifetime: int = 3600) -> Answer:
    text = f'{{"access_token":"{value}","token_type":"bearer","expires_in":{lifetime}}}'
    return Answer(200, text.encode(), {"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("nonce", "created", "secret", "digest"),
    [
        (
            "0123456789abcdef0123456789abcdef",
            "2025-01-15T08:30:00Z",
            "demo-secret",
            "ZWM3YmIyYjc2ZDkwZmFkZGZlNzVhNzM3NTcyOTliZmNmZTI3YmM2Mg==",
        ),
        (
            "a87ff679a2f3e71d9181a67b7542122c",
            "2016-07-20T12:34:56",
            "secret",
            "YzI3MWVhMDgwNjMzZDdhMjE1MjhkMzM3NTk1NTQwYjRjNmM4ZGYzMA==",
        ),
    ],
    ids=["documented", "independent client"],
)
def test_the_digest_is_of_the_hexadecimal_text(
    nonce: str, created: str, secret: str, digest: str
) -> None:
    assert wsse_digest(nonce, created, secret) == digest


def test_every_attempt_is_signed_anew(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(Answer(503), Answer(503), ok([]))
    client.list_segments()
    signatures = [WSSE.fullmatch(request.headers["x-wsse"]) for request in server.requests]
    assert [request.path for request in server.requests] == ["/api/v2/filter"] * 3
    nonces = set()
    for match in signatures:
        assert match is not None
        username, digest, nonce, created = match.groups()
        text = hashlib.sha1(f"{nonce}{created}demo-secret".encode()).hexdigest()  # noqa: S324 the protocol's
        assert (username, base64.b64decode(digest).decode()) == ("shop001", text)
        age = datetime.now(UTC) - datetime.fromisoformat(created)
        assert abs(age.total_seconds()) < 30
        nonces.add(nonce)
    assert len(nonces) == 3


def test_days_left_of_wsse_count_down_to_its_end() -> None:
    assert wsse_days_left(date(2026, 12, 1)) == 30
    assert wsse_days_left(date(2027, 1, 1)) == -1


@pytest.fixture
def token_server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


def oauth_client(server: ScriptedServer, token_server: ScriptedServer) -> EmarsysClient:
    credentials = OAuth2Credentials(
        "client-1", "client-secret", token_url=f"{token_server.url}/tenant/token"
    )
    return EmarsysClient(credentials, base_url=server.url, retries=FAST)


def test_a_token_is_fetched_once_and_used_on_v3(
    server: ScriptedServer, token_server: ScriptedServer
) -> None:
    token_server.answer_with(token("token-1"))
    server.answer_with(ok([]))
    with oauth_client(server, token_server) as client:
        client.list_segments()
        client.list_segments()
    (asked,) = token_server.requests
    assert (asked.method, asked.path, asked.body) == (
        "POST",
        "/tenant/token",
        b"grant_type=client_credentials",
    )
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    basic = base64.b64decode(asked.headers["authorization"].removeprefix("Basic "))
    assert basic == b"client-1:client-secret"
    assert [(request.path, request.headers["authorization"]) for request in server.requests] == [
        ("/api/v3/filter", "Bearer token-1")
    ] * 2


def test_a_token_is_renewed_before_it_expires(
    server: ScriptedServer, token_server: ScriptedServer
) -> None:
    now = [1000.0]
    token_server.answer_with(token("token-1"), token("token-2"))
    server.answer_with(ok([]))
    credentials = OAuth2Credentials("c", "s", token_url=token_server.url, clock=lambda: now[0])
    with EmarsysClient(credentials, base_url=server.url, retries=FAST) as client:
        for later in (0, 3539, 3541):
            now[0] = 1000.0 + later
            client.list_segments()
    assert [request.headers["authorization"] for request in server.requests] == [
        "Bearer token-1",
        "Bearer token-1",
        "Bearer token-2",
    ]


def test_a_refused_token_is_replaced_once_even_for_a_write(
    server: ScriptedServer, token_server: ScriptedServer
) -> None:
    token_server.answer_with(token("token-1"), token("token-2"))
    server.answer_with(envelope(1, "Unauthorized", status=401), ok({"ids": ["7"]}))
    with oauth_client(server, token_server) as client:
        assert client.update_contacts([{"id": "7", "1": "A"}]).updated == ("7",)
    assert [request.headers["authorization"] for request in server.requests] == [
        "Bearer token-1",
        "Bearer token-2",
    ]


def test_a_second_refusal_is_raised(server: ScriptedServer, token_server: ScriptedServer) -> None:
    token_server.answer_with(token("token-1"), token("token-2"))
    server.answer_with(envelope(1, "Unauthorized", status=401))
    with oauth_client(server, token_server) as client, pytest.raises(errors.AuthenticationError):
        client.list_segments()
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "kind", "attempts"),
    [
        (Answer(401, b'{"error":"invalid_client"}'), errors.AuthenticationError, 1),
        (Answer(500), errors.ServerError, 4),
        (Answer(200, b"<html>"), errors.UnreadableReplyError, 3),
    ],
    ids=["wrong client", "failing", "no token"],
)
def test_a_token_server_that_gives_no_token_is_named(
    server: ScriptedServer,
    token_server: ScriptedServer,
    answer: Answer,
    kind: type[errors.EmarsysError],
    attempts: int,
) -> None:
    token_server.answer_with(answer)
    with oauth_client(server, token_server) as client, pytest.raises(kind, match="oauth2/token"):
        client.list_segments()
    assert (len(token_server.requests), len(server.requests)) == (attempts, 0)


def test_a_wrong_clock_is_said_in_words(server: ScriptedServer, client: EmarsysClient) -> None:
    refusal = envelope(1, "Unauthorized Time frame is invalid", status=401)
    headers = {**refusal.headers, "Date": "Thu, 15 Jan 2026 08:00:00 GMT"}
    server.answer_with(Answer(401, refusal.body, headers))
    with pytest.raises(errors.AuthenticationError, match=r"ahead of Emarsys's.*NTP") as caught:
        client.list_segments()
    expected = datetime.now(UTC).timestamp() - datetime(2026, 1, 15, 8, tzinfo=UTC).timestamp()
    assert caught.value.clock_skew_seconds == pytest.approx(expected, abs=5)
    assert client.clock_skew_seconds == pytest.approx(expected, abs=5)
    assert len(server.requests) == 1


def test_a_right_clock_is_not_blamed(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(envelope(1, "Credentials are invalid", status=401))
    with pytest.raises(errors.AuthenticationError, match="Check the credentials"):
        client.list_segments()


def test_secrets_stay_out_of_repr() -> None:
    for credentials in (
        WsseCredentials("shop001", "demo-secret"),
        OAuth2Credentials("shop001", "demo-secret"),
    ):
        with EmarsysClient(credentials) as client:
            assert "shop001" in repr(client)
            assert "demo-secret" not in repr(client)
