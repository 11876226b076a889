"""Scripted faults: what they do, to which requests, how often."""

from __future__ import annotations

import csv
import io
import time

import pytest
import requests

from emarsys_pipeline.sandbox.faults import FAULTS
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline_tests.sandbox.calls import Caller, refusal

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
