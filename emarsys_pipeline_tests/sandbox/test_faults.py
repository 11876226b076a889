"""Scripted faults: what they do, to which requests, how often."""

from __future__ import annotations

import csv
import io
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
import requests

from emarsys_pipeline.sandbox.faults import FAULTS
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline_tests.sandbox.calls import Caller, refusal, wsse_header

NEWSLETTER, VIP = "100400101", "100400102"
CONTACT = "700008"


def test_every_fault_is_described_in_a_sentence(sandbox: Sandbox) -> None:
    assert sandbox.fault_names() == FAULTS
    assert [name for name, text in FAULTS.items() if not text.endswith(".")] == []


def test_an_unknown_fault_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="no fault 'absent'"):
        sandbox.set_fault("absent")


def test_a_rule_meets_the_requests_it_names(sandbox: Sandbox, call: Caller) -> None:
    sandbox.set_fault("server_error", "GET settings", after=1, times=2)
    statuses = [call("GET", "settings").status_code for _ in range(4)]
    assert statuses == [200, 500, 500, 200]
    assert call("GET", "filter").status_code == 200


@pytest.mark.parametrize(
    ("name", "status", "start"),
    [
        ("rate_limited", 429, b'{"replyCode": 7003'),
        ("rate_limited_without_reset", 429, b'{"replyCode": 7003'),
        ("server_error", 500, b'{"replyCode": 1,'),
        ("bad_gateway", 502, b"<!DOCTYPE html>"),
        ("overloaded", 503, b"Service Unavailable"),
        ("busy", 423, b'{"replyCode": 10003'),
        ("evaluating", 202, b'{"replyCode": 10001'),
        ("html_answer", 200, b"<!DOCTYPE html>"),
        ("broken_json", 200, b'{"replyCode":0'),
        ("empty_answer", 200, b""),
        ("failing_reply_code", 200, b'{"replyCode": 1,'),
        ("refused", 400, b'{"replyCode": 10001'),
        ("forbidden", 403, b'{"replyCode": 1,'),
        ("unauthorized", 401, b'{"replyCode": 1,'),
    ],
)
def test_a_fault_replaces_the_answer(
    sandbox: Sandbox, call: Caller, name: str, status: int, start: bytes
) -> None:
    sandbox.set_fault(name, "GET settings")
    reply = call("GET", "settings")
    assert (reply.status_code, reply.content[: len(start)]) == (status, start)
    assert ("X-RateLimit-Reset" in reply.headers) == (name != "rate_limited_without_reset")


def test_a_segment_can_fail_alone(sandbox: Sandbox, call: Caller) -> None:
    sandbox.set_fault("server_error", segment=NEWSLETTER, times=None)
    order = {"distribution_method": "local", "contact_fields": [1]}
    replies = [
        call("POST", "export/filter", {**order, "filter": int(NEWSLETTER)}),
        call("GET", f"filter/{NEWSLETTER}/contacts?limit=1"),
        call("POST", "export/filter", {**order, "filter": int(VIP)}),
        call("GET", f"filter/{VIP}/contacts?limit=1"),
    ]
    assert [reply.status_code for reply in replies] == [500, 500, 200, 200]


@pytest.mark.parametrize(
    ("name", "is_applied"), [("commit_then_drop", True), ("reset_before_answer", False)]
)
def test_a_dropped_write_is_applied_or_not(
    sandbox: Sandbox, call: Caller, *, name: str, is_applied: bool
) -> None:
    sandbox.set_fault(name, "PUT contact")
    with pytest.raises(requests.ConnectionError):
        call("PUT", "contact", {"key_id": "id", "id": CONTACT, "10500": name})
    assert (sandbox.field_values("10500")[CONTACT] == name) == is_applied


def test_a_body_can_break_off(sandbox: Sandbox, call: Caller) -> None:
    export_id = call.export("export/filter", filter=NEWSLETTER)
    sandbox.set_fault("reset_in_body", "GET export/{id}/data")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        call("GET", f"export/{export_id}/data")
    assert len(call.rows(export_id)) > 1


@pytest.mark.parametrize("name", ["slow_answer", "dripping_answer"])
def test_an_answer_can_take_its_time(sandbox: Sandbox, call: Caller, name: str) -> None:
    sandbox.set_fault(name, "GET field", wait_seconds=0.5)
    started = time.monotonic()
    assert call("GET", "field").json()["replyCode"] == 0
    assert time.monotonic() - started >= 0.5


def test_the_first_contacts_of_a_batch_can_be_refused(sandbox: Sandbox, call: Caller) -> None:
    sandbox.set_fault("transient_partial_errors", "PUT contact", count=1)
    contacts = [{"id": CONTACT, "10500": "a"}, {"id": "700009", "10500": "b"}]
    data = call.data("PUT", "contact", {"key_id": "id", "contacts": contacts})
    text = "Database error occurred. Please try again later."
    assert data == {"ids": ["700009"], "errors": {CONTACT: {"2011": text}}}


@pytest.mark.parametrize(
    ("name", "path", "status", "code"),
    [
        ("export_expired", "/data", 410, 4003),
        ("export_file_missing", "/data", 404, 4006),
        ("export_file_error", "/data", 500, 4007),
    ],
)
def test_an_export_can_be_lost(
    sandbox: Sandbox, call: Caller, name: str, path: str, status: int, code: int
) -> None:
    export_id = call.export("export/filter", filter=NEWSLETTER)
    sandbox.set_fault(name, "GET export/{id}/data")
    assert refusal(call("GET", f"export/{export_id}{path}"))[:2] == (status, code)


@pytest.mark.parametrize(
    ("name", "status"), [("export_error", "error"), ("export_hangs", "in progress")]
)
def test_an_export_can_fail_or_hang(sandbox: Sandbox, call: Caller, name: str, status: str) -> None:
    export_id = call.export("export/filter", filter=NEWSLETTER)
    sandbox.set_fault(name, "GET export/{id}", segment=NEWSLETTER)
    assert call.data("GET", f"export/{export_id}")["status"] == status


def records(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_a_file_can_be_spoilt_in_every_way(sandbox: Sandbox, call: Caller) -> None:
    export_id = call.export("export/filter", filter=NEWSLETTER, contact_fields=[1, 3, 10270])
    path = f"export/{export_id}/data"
    intact = call("GET", path).content
    whole = records(intact)
    spoilt: dict[str, bytes] = {}
    for name in FAULTS:
        if "csv" in name or name in ("byte_order_mark", "lf_line_ends"):
            sandbox.set_fault(name, "GET export/{id}/data")
            spoilt[name] = call("GET", path).content
    assert intact.startswith(spoilt["truncated_csv"])
    assert not spoilt["truncated_csv"].endswith(b"\n")
    assert len(spoilt["truncated_csv"]) < len(intact)
    assert spoilt["truncated_csv_in_quotes"].count(b'"') % 2 == 1
    assert whole[: len(records(spoilt["truncated_csv_at_record"]))] == records(
        spoilt["truncated_csv_at_record"]
    )
    assert len(records(spoilt["truncated_csv_at_record"])) < len(whole)
    assert records(spoilt["header_only_csv"]) == whole[:1]
    assert spoilt["empty_csv"] == b""
    lost = records(spoilt["missing_csv_rows"])
    assert (len(lost) < len(whole), {*map(tuple, lost)} < {*map(tuple, whole)}) == (True, True)
    assert len(records(spoilt["duplicated_csv_rows"])) > len(whole)
    assert {tuple(row) for row in records(spoilt["duplicated_csv_rows"])} == set(map(tuple, whole))
    shuffled = records(spoilt["shuffled_csv_rows"])
    assert (shuffled != whole, sorted(shuffled)) == (True, sorted(whole))
    assert records(spoilt["repeated_csv_header"]).count(whole[0]) == 2
    assert spoilt["byte_order_mark"] == b"\xef\xbb\xbf" + intact
    assert spoilt["lf_line_ends"].split(b"\n", 1)[0] == intact.split(b"\r\n", 1)[0]
    assert {len(row) for row in records(spoilt["extra_csv_column"])} == {4}


def test_fields_can_disappear(sandbox: Sandbox, call: Caller) -> None:
    sandbox.set_fault("missing_fields", "GET field", field_ids=["10500"])
    ids = [{field["id"] for field in call.data("GET", "field")} for _ in range(2)]
    assert ids[1] - ids[0] == {10500}


def test_a_storm_meets_every_request_until_it_ends(sandbox: Sandbox, call: Caller) -> None:
    sandbox.set_fault("rate_limited", times=5, wait_seconds=30)
    replies = [call("GET", path) for path in ("field", "filter", "event", "settings", "field")]
    assert [reply.status_code for reply in replies] == [429] * 5
    resets = {int(reply.headers["X-RateLimit-Reset"]) - round(time.time()) for reply in replies}
    assert resets <= set(range(28, 33))
    assert call("GET", "field").status_code == 200


def test_a_contact_can_be_refused_for_good(sandbox: Sandbox, call: Caller) -> None:
    sandbox.set_fault("permanent_partial_errors", "PUT contact", count=2)
    contacts = [{"id": str(700010 + number), "10500": "a"} for number in range(3)]
    data = call.data("PUT", "contact", {"key_id": "id", "contacts": contacts})
    refused = {"2007": "Invalid choice id"}
    assert data == {"ids": ["700012"], "errors": {"700010": refused, "700011": refused}}


def test_a_skewed_clock_refuses_requests_and_shows_in_date(sandbox: Sandbox, call: Caller) -> None:
    sandbox.set_fault("skewed_clock", times=2, skew_seconds=900)
    reply = call("GET", "settings")
    assert refusal(reply) == (401, 1, "Unauthorized Time frame is invalid")
    server = parsedate_to_datetime(reply.headers["Date"])
    assert abs((server - datetime.now(UTC)).total_seconds() - 900) < 5
    corrected = wsse_header(sandbox.username, sandbox.secret, created=server.isoformat())
    url = f"{sandbox.url}/api/v2/settings"
    assert requests.get(url, headers={"X-WSSE": corrected}, timeout=10).status_code == 200


def test_a_revoked_token_stays_refused_until_a_new_one_is_fetched(sandbox: Sandbox) -> None:
    def get_settings(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{sandbox.url}/api/v3/settings"
        return requests.get(url, headers=headers, timeout=10).status_code

    def new_token() -> str:
        client = (sandbox.client_id, sandbox.client_secret)
        form = {"grant_type": "client_credentials"}
        reply = requests.post(sandbox.token_url, auth=client, data=form, timeout=10)
        return str(reply.json()["access_token"])

    token = new_token()
    sandbox.set_fault("revoked_token", "GET settings", after=1)
    assert [get_settings(token) for _ in range(3)] == [200, 401, 401]
    assert get_settings(new_token()) == 200


def test_a_dropped_export_start_has_started_the_export(sandbox: Sandbox, call: Caller) -> None:
    """The id is lost, and as long as the export runs an identical one is refused."""
    sandbox.switch(export_delay_seconds=30)
    order = {"filter": VIP, "distribution_method": "local", "contact_fields": [1, 37, 2]}
    sandbox.set_fault("commit_then_drop", "POST export/filter")
    with pytest.raises(requests.ConnectionError):
        call("POST", "export/filter", order)
    assert refusal(call("POST", "export/filter", order))[:2] == (400, 4001)
    sandbox.set_fault("reset_before_answer", "POST export/filter")
    other = {**order, "contact_fields": [1, 2, 37]}
    with pytest.raises(requests.ConnectionError):
        call("POST", "export/filter", other)
    assert call("POST", "export/filter", other).status_code == 200


def test_a_dropped_trigger_has_triggered_once(sandbox: Sandbox, call: Caller) -> None:
    """Repeating it with the same trigger_id is safe, which is what trigger_id is for."""
    body = {"key_id": "id", "external_id": CONTACT, "trigger_id": "dropped-1", "data": {}}
    sandbox.set_fault("commit_then_drop", "POST event/{id}/trigger")
    with pytest.raises(requests.ConnectionError):
        call("POST", "event/123/trigger", body)
    assert call.data("POST", "event/123/trigger", body) == {}
    met = [t["contact_id"] for t in sandbox.event_triggers() if t["trigger_id"] == "dropped-1"]
    assert met == [CONTACT]


def test_a_missing_permission_stays_missing_until_it_is_given(
    sandbox: Sandbox, call: Caller
) -> None:
    sandbox.set_permissions(off=["externalevent.list"])
    assert [call("GET", "event").status_code for _ in range(2)] == [403, 403]
    sandbox.set_permissions(on=["externalevent.list", "externalevent.get"])
    assert call("GET", "event").status_code == 200
