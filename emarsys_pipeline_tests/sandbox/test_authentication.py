"""WSSE, OAuth2 and permissions, as section 1 of the API reference tells them."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import requests

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.sandbox.wsse import digest
from emarsys_pipeline_tests.sandbox.calls import Caller, refusal, wsse_header

INVALID = (401, 1, "Credentials are invalid")
TIME_FRAME = (401, 1, "Unauthorized Time frame is invalid")


def settings(sandbox: Sandbox, headers: dict[str, str], version: str = "v2") -> requests.Response:
    return requests.get(f"{sandbox.url}/api/{version}/settings", headers=headers, timeout=10)


def token(sandbox: Sandbox) -> dict[str, Any]:
    reply = requests.post(
        sandbox.token_url,
        auth=(sandbox.client_id, sandbox.client_secret),
        data={"grant_type": "client_credentials"},
        timeout=10,
    )
    assert reply.status_code == 200
    return dict(reply.json())


@pytest.mark.parametrize(
    ("nonce", "created", "secret", "expected"),
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
)
def test_the_digest_equals_published_vectors(
    nonce: str, created: str, secret: str, expected: str
) -> None:
    assert digest(nonce, created, secret) == expected


def test_the_header_is_read_by_name_in_any_order_and_case(sandbox: Sandbox) -> None:
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
    nonce = "0123456789ABCDEF"
    value = digest(nonce, created, sandbox.secret)
    header = (
        f'UsernameToken   created="{created}",nonce="{nonce}",  PASSWORDDIGEST="{value}",'
        f'username="{sandbox.username}"'
    )
    assert settings(sandbox, {"WSSE": header}).status_code == 200


@pytest.mark.parametrize(
    ("minutes", "expected"), [(-6, TIME_FRAME), (6, TIME_FRAME), (-4, None), (4, None)]
)
def test_created_may_be_five_minutes_off(
    sandbox: Sandbox, minutes: int, expected: tuple[int, int, str] | None
) -> None:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    header = wsse_header(sandbox.username, sandbox.secret, created=moment.isoformat())
    reply = settings(sandbox, {"X-WSSE": header})
    assert (None if reply.status_code == 200 else refusal(reply)) == expected


def test_a_digest_over_raw_bytes_is_refused(sandbox: Sandbox) -> None:
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    raw = hashlib.sha1(f"n{created}{sandbox.secret}".encode()).digest()  # noqa: S324
    header = (
        f'UsernameToken Username="{sandbox.username}",'
        f' PasswordDigest="{base64.b64encode(raw).decode()}", Nonce="n", Created="{created}"'
    )
    assert refusal(settings(sandbox, {"X-WSSE": header})) == INVALID


@pytest.mark.parametrize("headers", [{}, {"X-WSSE": "nonsense"}, {"Authorization": "Bearer x"}])
def test_v2_takes_nothing_but_wsse(sandbox: Sandbox, headers: dict[str, str]) -> None:
    assert refusal(settings(sandbox, headers)) == INVALID


def test_a_nonce_may_be_reused_unless_the_switch_refuses_it(sandbox: Sandbox) -> None:
    headers = {"X-WSSE": wsse_header(sandbox.username, sandbox.secret)}
    assert [settings(sandbox, headers).status_code for _ in range(2)] == [200, 200]
    sandbox.switch(refuse_reused_nonces=True)
    assert [settings(sandbox, headers).status_code for _ in range(2)] == [200, 401]


def test_a_bearer_token_opens_v3_and_only_v3(sandbox: Sandbox) -> None:
    issued = token(sandbox)
    bearer = {"Authorization": f"Bearer {issued['access_token']}"}
    wsse = {"X-WSSE": wsse_header(sandbox.username, sandbox.secret)}
    assert (issued["token_type"], issued["expires_in"]) == ("bearer", 3600)
    statuses = [settings(sandbox, h, v).status_code for h in (bearer, wsse) for v in ("v3", "v2")]
    assert statuses == [200, 401, 401, 200]


def test_a_token_ends_by_time_and_by_revocation(sandbox: Sandbox) -> None:
    live = {"Authorization": f"Bearer {token(sandbox)['access_token']}"}
    sandbox.switch(token_lifetime_seconds=-1)
    ended = {"Authorization": f"Bearer {token(sandbox)['access_token']}"}
    assert refusal(settings(sandbox, ended, "v3")) == (401, 1, "Unauthorized")
    assert settings(sandbox, live, "v3").status_code == 200
    sandbox.revoke_tokens()
    assert refusal(settings(sandbox, live, "v3")) == (401, 1, "Unauthorized")


def test_a_forged_token_is_refused(sandbox: Sandbox) -> None:
    forged = jwt.encode({"sub": sandbox.client_id}, "k" * 32, algorithm="HS256")
    reply = settings(sandbox, {"Authorization": f"Bearer {forged}"}, "v3")
    assert refusal(reply) == (401, 1, "Unauthorized")


def test_the_token_endpoint_refuses_a_wrong_client(sandbox: Sandbox) -> None:
    reply = requests.post(
        sandbox.token_url,
        auth=(sandbox.client_id, "wrong"),
        data={"grant_type": "client_credentials"},
        timeout=10,
    )
    assert (reply.status_code, reply.json()) == (401, {"error": "invalid_client"})


def test_a_permission_switched_off_answers_403_for_its_endpoint_only(
    sandbox: Sandbox, call: Caller
) -> None:
    sandbox.set_permissions(off=["contact.update", "segment.get"])
    try:
        assert refusal(call("PUT", "contact", {"3": "a@example.org"})) == (403, 1, "Forbidden")
        # Either of the two segment permissions opens both endpoints.
        assert call("GET", "filter").status_code == 200
        assert call("GET", "settings").status_code == 200
    finally:
        sandbox.set_permissions(on=["contact.update", "segment.get"])
    assert call("PUT", "contact", {"3": "a@example.org"}).status_code == 400


def test_rate_headers_are_on_every_answer_and_count_down(sandbox: Sandbox, call: Caller) -> None:
    names = ["X-RateLimit-Limit", "X-Ratelimit-Remaining", "X-RateLimit-Reset"]
    replies = [call("GET", "settings"), call("GET", "nothing"), settings(sandbox, {})]
    assert [[name in r.headers for name in names] for r in replies] == [[True] * 3] * 3
    # The odd case of the middle one is Emarsys's own.
    assert set(names) <= set(replies[0].raw.headers)
    left = [int(r.headers["X-Ratelimit-Remaining"]) for r in replies[:2]]
    assert left[0] - left[1] == 1


def test_too_many_requests_are_refused_until_the_reset(sandbox: Sandbox, call: Caller) -> None:
    sandbox.switch(enforce_rate_limit=True, requests_per_minute=1)
    call("GET", "settings")
    reply = call("GET", "settings")
    text = "Too many requests for this account and resource within the last minute."
    assert refusal(reply) == (429, 7003, text)
    assert reply.headers["X-Ratelimit-Remaining"] == "0"


def test_without_a_limit_the_headers_promise_plenty(sandbox: Sandbox, call: Caller) -> None:
    """Clients pause when nothing is left, so a switched-off limit has to show in the headers."""
    sandbox.switch(enforce_rate_limit=False, requests_per_minute=2)
    replies = [call("GET", "settings") for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200] * 4
    assert min(int(reply.headers["X-Ratelimit-Remaining"]) for reply in replies) > 900_000
    assert {reply.headers["X-RateLimit-Limit"] for reply in replies} == {"1000000"}
