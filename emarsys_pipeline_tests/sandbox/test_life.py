"""The data and its life: what is generated, what changes with time, what the platform sends."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
import requests

from emarsys_pipeline.sandbox.generate import generate_account
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox, sandbox_at
from emarsys_pipeline.sandbox.state import State
from emarsys_pipeline_tests.sandbox.calls import Caller

REGIONS = {"65": "DE", "10": "AT", "168": "CH", "184": "GB", "61": "FR", "124": "NL"}


@pytest.fixture
def account(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / "account.duckdb")
    generate_account(state, contacts=1000, seed=3)
    yield state
    state.close()


def e164(text: str | None, country: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text or "", REGIONS.get(country or "", "DE"))
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def test_the_same_seed_gives_the_same_contacts(account: State, tmp_path: Path) -> None:
    query = "select * exclude created_at from contacts order by id"
    other = State(tmp_path / "other.duckdb")
    generate_account(other, contacts=100, seed=3)
    fewer = other.rows(query)
    other.close()
    assert account.rows(query)[:100] == fewer


def test_duplicates_share_an_identifier_and_chains_link(account: State) -> None:
    rows = account.rows("select f_37, f_14, lower(trim(f_3)) from contacts where row_number < 50")
    phone = [e164(mobile, country or REGIONS["65"]) for mobile, country, _ in rows]
    email = [address for _, _, address in rows]
    assert email[40] == email[41] == email[0]
    assert phone[42] == phone[1] is not None or rows[42][1] is None
    assert email[44] == email[43]
    assert phone[48] is None
    assert (phone[49], email[49]) == (None, None)
    persons = account.rows("select person from contacts where row_number < 50 order by id")
    assert [number for (number,) in persons[40:47]] == [0, 0, 1, 2, 2, 2, 46]


def test_most_phones_are_valid_in_the_region_of_their_country(account: State) -> None:
    rows = account.rows(
        "select f_37, f_14 from contacts where f_14 is not null and f_37 is not null"
        " and row_number % 50 not in (47, 48)"
    )
    invalid = [row for row in rows if e164(*row) is None]
    assert invalid == []
    spellings = {"".join("9" if c.isdigit() else c for c in text)[:5] for text, _ in rows}
    assert len(spellings) >= 6


def test_text_is_awkward_somewhere(account: State) -> None:
    text = "".join(value for (value,) in account.rows("select f_10270 from contacts") if value)
    assert [mark for mark in ('"', ";", ",", "\n", "ü", "🎉", "ع") if mark not in text] == []


def test_the_state_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.duckdb"
    values: list[dict[str, str | None]] = []
    for contacts in (60, 1):
        with running_sandbox(contacts=contacts, state=path) as sandbox:
            call = Caller(sandbox)
            if not values:
                call.data("PUT", "contact", {"key_id": "id", "id": "700001", "10500": "granted"})
            values.append(sandbox.field_values("10500"))
    assert len(values[0]) == 60
    assert values[0] == values[1]
    assert values[1]["700001"] == "granted"


def test_time_changes_members_values_and_decisions(sandbox: Sandbox, call: Caller) -> None:
    path = "filter/100400101/contacts?limit=1000000"
    before, values = call.data("GET", path), sandbox.field_values("11")
    decided = len(sandbox.platform_consents())
    passed = sandbox.advance("12h")
    after = call.data("GET", path)
    assert {*before} - {*after} != set()
    assert {*after} - {*before} != set()
    assert len(sandbox.field_values("11")) == len(values) + passed["created"]
    assert len(sandbox.platform_consents()) == decided + passed["decisions"]
    assert len(sandbox.log(source="advance")) >= passed["edited"] > 0
    assert len(sandbox.log(source="import")) >= passed["imported_silently"] > 0


def test_the_newest_decision_of_a_person_is_the_truth(sandbox: Sandbox) -> None:
    person = next(p for p in sandbox.truth()["persons"] if p["platform_contact_ids"])
    who = person["platform_contact_ids"][:1]
    sandbox.decide("withdrawn", contact_ids=who, occurred_at="2030-01-02T00:00:00Z")
    sandbox.decide("granted", contact_ids=who, occurred_at="2030-01-01T00:00:00Z")
    newest = [c for c in sandbox.truth()["consents"] if c["person"] == person["person"]]
    assert [(c["status"], c["contact_ids"]) for c in newest] == [
        ("withdrawn", person["contact_ids"])
    ]


@contextmanager
def receiver(refusals: int) -> Iterator[tuple[str, list[tuple[Any, bytes]]]]:
    """Run a receiver that refuses its first requests and keeps all of them."""
    received: list[tuple[Any, bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.headers, body))
            self.send_response(500 if len(received) <= refusals else 202)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Keep the test's output clean."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/", received
        server.shutdown()
        serving.join()


def test_consent_webhooks_are_signed_repeated_and_shuffled(sandbox: Sandbox) -> None:
    events = [event["event_id"] for event in sandbox.decide("granted", count=5)]
    with receiver(refusals=1) as (url, received):
        sent = sandbox.send_consents(
            url, secret="s", event_ids=events, duplicates=2, shuffle_seed=1, wait_factor=0.001
        )
    assert sent == {"sent": 7, "failed": 0}
    for headers, body in received:
        expected = hmac.new(b"s", body, hashlib.sha256).hexdigest()
        assert headers["X-Signature"] == f"sha256={expected}"
    order = [body.split(b'"event_id": "')[1][:12].decode() for _, body in received[1:]]
    assert (order != sorted(order), len(set(order)), len(order)) == (True, 5, 7)


def test_a_subscriber_is_told_every_decision_at_once(sandbox: Sandbox) -> None:
    sandbox.decide("granted", count=1)
    with receiver(refusals=1) as (url, received):
        sandbox.subscribe(url, secret="s", duplicates=1, delay_seconds=0.2, wait_factor=0.001)
        asked = time.monotonic()
        decided = [event["event_id"] for event in sandbox.decide("withdrawn", count=2)]
        decided += [event["event_id"] for event in sandbox.decide("denied", count=1)]
        # Three decisions, one of each call's a second time, and the one that was refused.
        wait_until(lambda: len(received) >= 6)
        assert time.monotonic() - asked >= 0.2
        sandbox.unsubscribe()
        sandbox.decide("granted", count=1)
        time.sleep(0.4)
    told = [json.loads(body)["event_id"] for _, body in received]
    assert (len(told), set(told)) == (6, set(decided))
    assert all("X-Signature" in headers for headers, _ in received)


def test_a_webhook_that_is_refused_holds_up_no_other(sandbox: Sandbox) -> None:
    documents = [{"number": number} for number in range(3)]
    with receiver(refusals=1) as (url, received):
        sent = sandbox.send_automation(url, documents, wait_factor=0.001)
    assert sent == {"sent": 3, "failed": 0}
    assert [json.loads(body)["number"] for _, body in received] == [0, 1, 2, 0]


def test_what_is_still_to_be_sent_does_not_keep_the_server_from_ending() -> None:
    with running_sandbox(contacts=60) as sandbox:
        # Nobody listens at this port, so that the next attempt would be half a minute away.
        sandbox.subscribe("http://127.0.0.1:9/")
        sandbox.decide("granted", count=1)
        started = time.monotonic()
    assert time.monotonic() - started < 5


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < deadline, "waited 10 s in vain"
        time.sleep(0.02)


def test_automation_webhooks_carry_a_token(sandbox: Sandbox) -> None:
    with receiver(refusals=0) as (url, received):
        sandbox.send_automation(url, [{"email": "a@example.org"}], secret="s" * 32)
    assert [headers["Authorization"][:9] for headers, _ in received] == ["Bearer ey"]


def test_the_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from emarsys_pipeline.sandbox.process import running_sandbox\n"
        "with running_sandbox(contacts=10) as sandbox:\n"
        "    print(sandbox.url, flush=True)\n"
        "    os._exit(9)\n"
    )
    done = subprocess.run(  # noqa: S603 - the script above
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    url = done.stdout.strip()
    assert url.startswith("http://127.0.0.1:")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            requests.get(f"{url}/healthcheck", timeout=5)
        except requests.ConnectionError:
            return
        time.sleep(0.05)
    pytest.fail(f"the sandbox at {url} still answers")


def test_a_handle_reaches_a_sandbox_started_elsewhere(sandbox: Sandbox) -> None:
    assert sandbox_at(f"{sandbox.url}/").fault_names() == sandbox.fault_names()


def test_the_server_ends_quietly(tmp_path: Path) -> None:
    script = (
        "from emarsys_pipeline.sandbox.process import running_sandbox\n"
        "with running_sandbox(contacts=10):\n"
        "    pass\n"
    )
    done = subprocess.run(  # noqa: S603 - the script above
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
