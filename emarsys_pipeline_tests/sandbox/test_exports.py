"""Segments and exports, as sections 5 and 6 of the API reference tell them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from zoneinfo import ZoneInfo

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline_tests.sandbox.calls import Caller, refusal

NEWSLETTER, EMPTY, SINGLE, SLOW = "100400101", "100400103", "100400104", "100400107"


def days() -> list[str]:
    """Return today and tomorrow in Vienna."""
    today = datetime.now(ZoneInfo("Europe/Vienna")).date()
    return [today.isoformat(), (today + timedelta(days=1)).isoformat()]


def members(call: Caller, segment: str) -> list[str]:
    return list(call.data("GET", f"filter/{segment}/contacts?limit=1000000"))


def test_segment_sizes_range_from_none_to_above_half_a_million(call: Caller) -> None:
    segments = {row["id"]: row for row in call.data("GET", "filter")}
    counts = {
        number: call.data("GET", f"filter/{number}/contacts/count")
        for number in segments
        if number != SLOW
    }
    assert [counts[str(100400103 + n)] for n in (0, 1, 5, 6)] == [0, 1, 500_000, 500_001]
    assert len(members(call, NEWSLETTER)) == counts[NEWSLETTER]
    assert counts["100400106"] == len({*members(call, NEWSLETTER), *members(call, "100400102")})
    assert segments["100400106"]["type"] == "combined"
    assert call.data("GET", f"filter/{NEWSLETTER}") == segments[NEWSLETTER]
    assert call.data("GET", f"filter/{SINGLE}/contacts/{members(call, SINGLE)[0]}") is True


def test_a_slow_segment_makes_the_client_wait(call: Caller) -> None:
    path = f"filter/{SLOW}/contacts/count"
    replies = [call("GET", path) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [202, 423, 202, 200]
    assert [reply.json()["replyCode"] for reply in replies] == [10001, 10003, 10001, 0]


def test_a_run_puts_the_members_on_a_list(call: Caller) -> None:
    run = call.data("POST", f"filter/{NEWSLETTER}/runs")
    states = [call.data("GET", f"filter/runs/{run['run_id']}") for _ in range(2)]
    assert [run["status"], *(state["status"] for state in states)] == ["waiting", "waiting", "done"]
    list_id = states[1]["result"]["contact_list_id"]
    listed = call("GET", f"contactlist/{list_id}/contactIds?$top=100000").json()["value"]
    assert [str(number) for number in listed] == members(call, NEWSLETTER)


def test_a_segment_export_holds_every_member_once(call: Caller) -> None:
    export_id = call.export("export/filter", filter=NEWSLETTER, contact_fields=[1, "3", 14, 46])
    header, *rows = call.rows(export_id)
    assert header == ["First Name", "Email", "Country or region", "Salutation"]
    assert len(rows) == len(members(call, NEWSLETTER))
    assert {row[2] for row in rows} == {
        *("Germany", "Austria", "Switzerland", "United Kingdom", "France", "The Netherlands", ""),
    }
    reply = call("GET", f"export/{export_id}/data")
    assert reply.headers["Content-Type"] == "text/csv;charset=UTF-8"
    assert reply.content.endswith(b"\r\n")


def test_the_language_sets_header_and_labels(call: Caller) -> None:
    export_id = call.export(
        "export/filter", filter=NEWSLETTER, contact_fields=[14, 10231], language="de", delimiter=";"
    )
    header, *rows = call.rows(export_id)
    assert header == ["Land oder Region;Lieblingsfarben"]
    assert "Deutschland;Rot,Grün" in {",".join(row).replace('"', "") for row in rows}


def test_pages_of_an_export_make_the_whole(call: Caller) -> None:
    export_id = call.export("export/filter", filter=NEWSLETTER, contact_fields=[3, 10270])
    path = f"export/{export_id}/data"
    whole = call("GET", path).content
    pages = [call("GET", f"{path}/offset=0&limit=100"), call("GET", f"{path}/?offset=100")]
    assert b"".join(page.content for page in pages) == whole


def test_a_header_can_be_left_out_and_user_id_put_in(call: Caller, sandbox: Sandbox) -> None:
    sandbox.switch(user_id_in_segment_exports=True)
    order = {"filter": SINGLE, "contact_fields": [1], "add_field_names_header": 0}
    rows = call.rows(call.export("export/filter", **order))
    assert [row[0] for row in rows] == members(call, SINGLE)


def test_an_empty_segment_exports_a_header_only(call: Caller) -> None:
    assert call.rows(call.export("export/filter", filter=EMPTY)) == [["Email"]]


def test_an_export_takes_its_time_and_refuses_a_twin(call: Caller, sandbox: Sandbox) -> None:
    sandbox.switch(export_delay_seconds=30)
    document = {"filter": NEWSLETTER, "distribution_method": "local", "contact_fields": [1, 2]}
    export_id = call.data("POST", "export/filter", document)["id"]
    status = call.data("GET", f"export/{export_id}")
    assert (status["id"], status["status"], status["file_name"]) == (
        str(export_id),
        "scheduled",
        None,
    )
    text = "Export is currently in progress. Please wait until that has finished."
    assert refusal(call("GET", f"export/{export_id}/data")) == (404, 4005, text)
    assert refusal(call("POST", "export/filter", document))[:2] == (400, 4001)
    sandbox.switch(export_delay_seconds=0)
    assert call.data("GET", f"export/{export_id}")["status"] == "done"


def test_created_is_vienna_time(call: Caller) -> None:
    export_id = call.export("export/filter", filter=SINGLE)
    text = call.data("GET", f"export/{export_id}")["created"]
    created = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Vienna"))
    assert abs(created - datetime.now(UTC)) < timedelta(minutes=1)


def test_getchanges_reports_api_writes_but_no_imports(call: Caller, sandbox: Sandbox) -> None:
    written, imported = members(call, NEWSLETTER)[-2:]
    sandbox.import_silently({imported: {"11": "Imported"}})
    call.data("PUT", "contact", {"key_id": "id", "id": written, "11": "Written"})
    changes = {"contact_fields": [11], "origin": "all", "origin_id": "0"}
    header, *rows = call.rows(call.export("contact/getchanges", **changes, time_range=days()))
    assert header == ["user_id", "City"]
    assert [written, "Written"] in rows
    assert imported not in {row[0] for row in rows}
    none = call.export("contact/getchanges", **changes, time_range=[days()[0]] * 2)
    assert call.rows(none) == [["user_id", "City"]]
    by_form = call.export("contact/getchanges", **{**changes, "origin": "form"}, time_range=days())
    assert written not in {row[0] for row in call.rows(by_form)}


def test_a_finished_export_notifies_the_url(call: Caller) -> None:
    received: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Keep the test's output clean."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        waiting = threading.Thread(target=server.handle_request)
        waiting.start()
        url = f"http://127.0.0.1:{server.server_port}/ready"
        export_id = call.export("export/filter", filter=SINGLE, notification_url=url)
        waiting.join(10)
    assert f'"id": "{export_id}"'.encode() in received[0]
    assert b'"status": "done"' in received[0]
