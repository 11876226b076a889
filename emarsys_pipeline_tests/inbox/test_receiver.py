"""The webhook service over real HTTP: what it takes, refuses and never loses."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
import requests

from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.inbox.receiver import RateLimit
from emarsys_pipeline.inbox.stores import open_store
from emarsys_pipeline_tests.inbox.service import (
    EMARSYS_SECRET,
    LEGACY_SECRET,
    MAX_BODY_BYTES,
    PLATFORM_SECRET,
    Service,
    running_service,
)
from emarsys_pipeline_tests.places import Place

CONSENT = "/webhooks/platform/consent"
CONTACTS = "/webhooks/platform/contacts"
EMARSYS = "/webhooks/emarsys/shop_de"


@pytest.fixture(scope="module")
def shared(new_place: Callable[[], Place]) -> Iterator[tuple[Service, Place]]:
    place = new_place()
    with running_service(place) as service:
        yield service, place


@pytest.fixture
def service(shared: tuple[Service, Place]) -> Service:
    """The running service, with an inbox emptied of earlier tests."""
    store = open_store(shared[1])
    with store.transaction() as connection:
        connection.execute("delete from messages")
        connection.execute("delete from poison")
    store.close()
    return shared[0]


@pytest.fixture
def inbox(shared: tuple[Service, Place]) -> Iterator[Inbox]:
    with Inbox(shared[1]) as opened:
        yield opened


def event(event_id: str, **content: Any) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "phone": "+493023125000",
        "status": "granted",
        "occurred_at": "2026-01-31T09:30:00Z",
        **content,
    }


def signed(body: bytes) -> dict[str, str]:
    digest = hmac.new(PLATFORM_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-Signature": f"sha256={digest}"}


def post(service: Service, path: str, content: object) -> requests.Response:
    """Send ``content`` as JSON, or as it is if it is bytes, signed as the endpoint wants it."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = signed(body)
    if path.startswith("/webhooks/emarsys/"):
        token = jwt.encode({"sub": "emarsys"}, EMARSYS_SECRET, algorithm="HS256")
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    return requests.post(service.url + path, data=body, headers=headers, timeout=10)


def answer(response: requests.Response) -> tuple[int, Any]:
    return response.status_code, response.json()


def test_a_consent_event_is_kept_once(service: Service, inbox: Inbox) -> None:
    assert answer(post(service, CONSENT, event("e1"))) == (202, {"accepted": 1, "duplicates": 0})
    assert answer(post(service, CONSENT, event("e1"))) == (202, {"accepted": 0, "duplicates": 1})
    assert inbox.fetch("consent").select(["event_id", "source"]).to_pylist() == [
        {"event_id": "e1", "source": "webhook"}
    ]


def test_contacts_come_alone_or_as_an_array(service: Service, inbox: Inbox) -> None:
    contacts = [{"platform_contact_id": str(n), "phone": "+493023125000"} for n in range(3)]
    assert post(service, CONTACTS, contacts[0]).status_code == 202
    assert answer(post(service, CONTACTS, contacts)) == (202, {"accepted": 2, "duplicates": 1})
    assert inbox.fetch("contact")["platform_contact_id"].to_pylist() == ["0", "1", "2"]


def test_an_automation_call_is_kept_with_its_event_data(service: Service, inbox: Inbox) -> None:
    call = {"email": "mina@example.org", "deduplication_id": "d1", "event_data": {"voucher": "X"}}
    assert answer(post(service, EMARSYS, [call, call])) == (202, {"accepted": 1, "duplicates": 1})
    (row,) = inbox.fetch("automation").to_pylist()
    assert (row["account"], row["deduplication_id"]) == ("shop_de", "d1")
    assert json.loads(row["body"]) == call


def test_a_legacy_call_is_kept_if_its_address_holds_the_secret(
    service: Service, inbox: Inbox
) -> None:
    form = {"environment": "suite1", "queue_id": "7", "run_id": "9", "list_id": "5", "data": ""}
    url = f"{service.url}{EMARSYS}/legacy/"
    for _ in range(2):
        assert requests.post(url + LEGACY_SECRET, data=form, timeout=10).status_code == 202
    assert requests.post(f"{url}wrong", data=form, timeout=10).status_code == 404
    nobody = requests.post(url + LEGACY_SECRET, data={"run_id": "9"}, timeout=10)
    assert answer(nobody) == (
        400,
        {
            "accepted": 0,
            "duplicates": 0,
            "rejected": ["the body names neither list_id nor user_id"],
        },
    )
    (row,) = inbox.fetch("automation").to_pylist()
    assert row["deduplication_id"] == "suite1/7/9"
    assert json.loads(row["body"]) == {**form, "deduplication_id": "suite1/7/9"}


def test_what_cannot_be_read_is_kept_with_its_reason(service: Service, inbox: Inbox) -> None:
    assert answer(post(service, CONSENT, b'{"status": ')) == (
        400,
        {"accepted": 0, "duplicates": 0, "rejected": ["the body is no JSON in UTF-8"]},
    )
    mixed = [event("e1"), {"event_id": "e2"}, 3]
    assert answer(post(service, CONSENT, mixed)) == (
        400,
        {
            "accepted": 1,
            "duplicates": 0,
            "rejected": [
                "item 1 has no status; send granted, withdrawn or denied",
                "item 2 is no JSON object",
            ],
        },
    )
    assert inbox.fetch("consent")["event_id"].to_pylist() == ["e1"]
    assert inbox.fetch_poison().select(["body", "reason"]).to_pylist() == [
        {"body": b'{"status": ', "reason": "is no JSON in UTF-8"},
        {
            "body": b'{"event_id": "e2"}',
            "reason": "has no status; send granted, withdrawn or denied",
        },
        {"body": b"3", "reason": "is no JSON object"},
    ]


@pytest.mark.parametrize(
    ("path", "headers", "status", "error"),
    [
        pytest.param(CONSENT, {}, 401, "the header x-signature is missing", id="unsigned"),
        pytest.param(
            CONSENT,
            {"X-Signature": "0" * 64},
            401,
            "the header x-signature does not match",
            id="wrongly signed",
        ),
        pytest.param(EMARSYS, {}, 401, "the header authorization is missing", id="no token"),
        pytest.param(
            CONTACTS, {"Content-Type": "text/csv"}, 415, "send application/json", id="no JSON"
        ),
        pytest.param("/webhooks/emarsys/other", None, 404, "no such account", id="account"),
        pytest.param("/webhooks/elsewhere", None, 404, "Not Found", id="address"),
    ],
)
def test_a_request_that_may_not_enter_leaves_nothing(
    service: Service,
    inbox: Inbox,
    path: str,
    headers: dict[str, str] | None,
    status: int,
    error: str,
) -> None:
    if headers is None:
        response = post(service, path, event("e1"))
    else:
        body = json.dumps(event("e1")).encode()
        sent = {"Content-Type": "application/json", **headers}
        response = requests.post(service.url + path, data=body, headers=sent, timeout=10)
    assert response.status_code == status
    assert response.json()["error"].startswith(error)
    assert set(inbox.counts.values()) == {0}


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with length", "chunked"])
def test_a_large_body_is_refused(service: Service, inbox: Inbox, *, is_chunked: bool) -> None:
    body = json.dumps(event("e1", note="x" * MAX_BODY_BYTES)).encode()
    data = iter([body[:5000], body[5000:]]) if is_chunked else body
    response = requests.post(service.url + CONSENT, data=data, headers=signed(body), timeout=10)
    assert answer(response) == (413, {"error": f"send at most {MAX_BODY_BYTES} bytes"})
    assert set(inbox.counts.values()) == {0}


def test_the_rate_limit_refills_with_time() -> None:
    now = [0.0]
    limit = RateLimit(2, clock=lambda: now[0])
    assert [limit.allows() for _ in range(3)] == [True, True, False]
    now[0] = 0.5
    assert [limit.allows() for _ in range(2)] == [True, False]
    now[0] = 60
    assert [limit.allows() for _ in range(3)] == [True, True, False]


def test_too_many_requests_are_told_to_come_again(place: Place) -> None:
    with running_service(place, "--rate", "2") as service:
        responses = [post(service, CONSENT, event(f"e{number}")) for number in range(6)]
    statuses = [response.status_code for response in responses]
    assert statuses[:2] == [202, 202]
    assert 429 in statuses
    assert responses[statuses.index(429)].headers["Retry-After"] == "1"
    with Inbox(place) as inbox:
        assert inbox.counts["consent"] == statuses.count(202)


def test_an_endpoint_without_secret_is_closed(place: Place) -> None:
    with running_service(place, "--no-secrets") as service:
        assert answer(post(service, CONSENT, event("e1"))) == (
            403,
            {"error": "not set up: the setting webhooks.platform_secret is missing"},
        )
        assert post(service, EMARSYS, {"email": "a@example.org"}).status_code == 403
        legacy = requests.post(f"{service.url}{EMARSYS}/legacy/None", timeout=10)
        assert legacy.status_code == 404


def test_health_and_metrics_tell_what_happened(place: Place) -> None:
    with running_service(place) as service:
        post(service, CONSENT, [event("e1"), event("e1"), {}])
        post(service, CONSENT, event("e1", status="denied"))
        requests.post(service.url + CONSENT, timeout=10)
        health = requests.get(f"{service.url}/healthz", timeout=10)
        assert answer(health) == (200, {"status": "ok", "last_sequence": 1, "waiting": 0})
        lines = requests.get(f"{service.url}/metrics", timeout=10).text.splitlines()
    metrics = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    endpoint = 'inbox_messages_total{endpoint="platform/consent",result='
    assert {name: value for name, value in metrics.items() if "_total" in name} == {
        endpoint + '"accepted"}': "1.0",
        endpoint + '"duplicate"}': "2.0",
        endpoint + '"conflict"}': "1.0",
        endpoint + '"rejected"}': "1.0",
        'inbox_answers_total{status="202"}': "1.0",
        'inbox_answers_total{status="400"}': "1.0",
        'inbox_answers_total{status="401"}': "1.0",
    }
    assert metrics["inbox_commit_deliveries_count"] == "2.0"


def test_simultaneous_requests_share_commits(place: Place) -> None:
    with running_service(place) as running:

        def send(number: int) -> int:
            return post(running, CONSENT, event(f"e{number}")).status_code

        # While another writer holds the lock, requests gather.
        other = open_store(place)
        with ThreadPoolExecutor(32) as pool:
            with other.transaction():
                answers = pool.map(send, range(32))
                time.sleep(1)
            assert list(answers) == [202] * 32
        other.close()
        text = requests.get(f"{running.url}/metrics", timeout=10).text
    commits = float(text.split("inbox_commit_deliveries_count ")[1].split()[0])
    assert commits < 16
