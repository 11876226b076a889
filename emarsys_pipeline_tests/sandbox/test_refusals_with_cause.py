"""Documented refusals that need something to have happened, or a switch or a fault, before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline_tests.sandbox.calls import Caller, refusal

NEWSLETTER, VIP = "100400101", "100400102"
MISSING_CONTACT = {"key_id": "3", "external_id": "nobody@example.org"}
BUSY = "The admin already running a segment. Please wait until it is finished."
FILE_ERROR = "Server error occurred. Please choose another file."
Request = tuple[str, str, Any]
Cause = Callable[[Sandbox, Caller], Request]


def shared_address(call: Caller) -> str:
    """Give two contacts one e-mail address and return it."""
    address = "shared@example.org"
    for contact_id in ("700006", "700007"):
        call.data("PUT", "contact", {"key_id": "id", "id": contact_id, "3": address})
    return address


def new_list(call: Caller, name: str) -> int:
    """Return the id of a list of its own for a test; the name's old one is used again."""
    lists = {item["name"]: int(item["id"]) for item in call.data("GET", "contactlist")}
    return lists.get(name) or int(call.data("POST", "contactlist", {"name": name})["id"])


def started_export(call: Caller, *, fields: list[int], method: str = "local") -> Request:
    """Start an export and return the request that did it."""
    order = {"filter": VIP, "distribution_method": method, "contact_fields": fields}
    call.data("POST", "export/filter", order)
    return "POST", "export/filter", order


def key_of_two_contacts(_sandbox: Sandbox, call: Caller) -> Request:
    return "PUT", "contact", {"key_id": "3", "3": shared_address(call), "1": "x"}


def event_for_two_contacts(_sandbox: Sandbox, call: Caller) -> Request:
    document = {"key_id": "3", "external_id": shared_address(call)}
    return "POST", "event/124/trigger", document


def existing_contact(_sandbox: Sandbox, call: Caller) -> Request:
    contact = {"key_id": "3", "3": "existing@example.org"}
    call("POST", "contact", contact)
    return "POST", "contact", contact


def existing_contact_under_the_other_code(sandbox: Sandbox, call: Caller) -> Request:
    sandbox.switch(existing_contact_code=2006)
    return existing_contact(sandbox, call)


def segment_under_evaluation(sandbox: Sandbox, _call: Caller) -> Request:
    sandbox.switch(evaluations_before_result=1_000_000)
    return "GET", f"filter/{NEWSLETTER}/contacts?limit=1", None


def run_renewed_while_it_waits(_sandbox: Sandbox, call: Caller) -> Request:
    call.data("POST", f"filter/{VIP}/runs")
    return "POST", f"filter/{VIP}/runs", {"renew": True}


def run_of_one_contact_in_no_segment(_sandbox: Sandbox, call: Caller) -> Request:
    run = call.data("POST", f"filter/{VIP}/runs")["run_id"]
    return "GET", f"filter/single_runs/{run}", None


def same_export_twice(sandbox: Sandbox, call: Caller) -> Request:
    sandbox.switch(export_delay_seconds=30)
    return started_export(call, fields=[12, 11])


def export_in_progress(sandbox: Sandbox, call: Caller) -> Request:
    export_id = call.export("export/filter", filter="100400104")
    sandbox.switch(export_delay_seconds=600)
    return "GET", f"export/{export_id}/data", None


def expired_export(sandbox: Sandbox, call: Caller) -> Request:
    export_id = call.export("export/filter", filter="100400104")
    sandbox.switch(export_retention_days=0)
    return "GET", f"export/{export_id}/data", None


def export_with(fault: str) -> Cause:
    """Return a cause: a finished export whose download meets a fault."""

    def cause(sandbox: Sandbox, call: Caller) -> Request:
        export_id = call.export("export/filter", filter="100400104")
        sandbox.set_fault(fault, "GET export/{id}/data")
        return "GET", f"export/{export_id}/data", None

    return cause


def settings_with(fault: str, **details: Any) -> Cause:
    """Return a cause: any call meets a fault."""

    def cause(sandbox: Sandbox, _call: Caller) -> Request:
        sandbox.set_fault(fault, "GET settings", **details)
        return "GET", "settings", None

    return cause


def event_that_starts_nothing(sandbox: Sandbox, _call: Caller) -> Request:
    sandbox.switch(refuse_events_that_start_nothing=True)
    return "POST", "event/123/trigger", {"key_id": "id", "external_id": "700004"}


def renamed_without_a_name(_sandbox: Sandbox, call: Caller) -> Request:
    return "POST", f"contactlist/{new_list(call, 'renamed')}/rename", {}


def list_values_without_fields(_sandbox: Sandbox, call: Caller) -> Request:
    return "GET", f"contactlist/{new_list(call, 'values')}/contacts/data", None


def list_name_in_use(_sandbox: Sandbox, call: Caller) -> Request:
    new_list(call, "in use")
    return "POST", "contactlist", {"name": "in use"}


def contact_lists_refused_as(status: int, path: str) -> Cause:
    """Return a cause: a request about lists, answered with the other documented status."""

    def cause(sandbox: Sandbox, _call: Caller) -> Request:
        sandbox.switch(contact_list_refusal_status=status, missing_contact_list_status=status)
        return "POST", path, {}

    return cause


def list_of_a_combined_segment(_sandbox: Sandbox, call: Caller) -> Request:
    number = new_list(call, "part of a segment")
    part = {"relation": "OR", "segment_ids": [], "contact_list_ids": [number]}
    call("POST", "combinedsegments", {"name": "Of a list", "definition": {"include": part}})
    return "POST", f"contactlist/{number}/deletelist", None


def no_free_slot(sandbox: Sandbox, _call: Caller) -> Request:
    sandbox.switch(field_slots=0)
    return "POST", "field", {"name": "One too many", "application_type": "url"}


def permission_off(sandbox: Sandbox, _call: Caller) -> Request:
    sandbox.set_permissions(off=["language.list"])
    return "GET", "language", None


def too_many_requests(sandbox: Sandbox, call: Caller) -> Request:
    sandbox.switch(enforce_rate_limit=True, requests_per_minute=1)
    call("GET", "settings")
    return "GET", "settings", None


SAME_EXPORT = (
    "An export with the same setting is currently running."
    " It is not possible to run the same export more than once simultaneously."
)
CASES: list[tuple[Cause, tuple[int, int, str]]] = [
    (key_of_two_contacts,
     (400, 2010, "More contacts found with the external id: 3 - shared@example.org")),
    (event_for_two_contacts,
     (400, 2010, "More contacts found with the external id: 3 - shared@example.org")),
    (existing_contact, (400, 2009, "Contact with the external id already exists: 3")),
    (existing_contact_under_the_other_code,
     (400, 2006, "Contact with the external id already exists: 3")),
    (segment_under_evaluation, (202, 10001, "The segment is currently evaluated.")),
    (settings_with("busy"), (423, 10003, BUSY)),
    (run_renewed_while_it_waits, (423, 6028, "Cannot run filters that often")),
    (run_of_one_contact_in_no_segment,
     (404, 10009, "The single segment run specified does not exist.")),
    (same_export_twice, (400, 4001, SAME_EXPORT)),
    (export_in_progress,
     (404, 4005, "Export is currently in progress. Please wait until that has finished.")),
    (expired_export, (410, 4003, "Exported data is not available.")),
    (export_with("export_file_missing"),
     (404, 4006, "Internal error occurred. File was not found.")),
    (export_with("export_file_error"), (500, 4007, FILE_ERROR)),
    (event_that_starts_nothing, (400, 5005, "No program or campaign is triggered.")),
    (renamed_without_a_name, (400, 3004, "Parameter name is required.")),
    (list_name_in_use, (400, 3005, "Contact list with the requested name already exists.")),
    (list_values_without_fields, (400, 3007, "Contact fields value is not set.")),
    (list_of_a_combined_segment,
     (400, 3008, "The contact list is used in a combined segment, you cannot delete it.")),
    (contact_lists_refused_as(500, "contactlist"), (500, 3001, "List name is not set.")),
    (contact_lists_refused_as(400, "contactlist/1/add"),
     (400, 3006, "No contact list found with the specified ID.")),
    (no_free_slot,
     (500, 9004, "No more slots to create the field, please contact account manager.")),
    (permission_off, (403, 1, "Forbidden")),
    (too_many_requests,
     (429, 7003, "Too many requests for this account and resource within the last minute.")),
    (settings_with("server_error"), (500, 1, "Database connection error")),
    *(
        (settings_with("refused", http_status=500, reply_code=code, reply_text=text),
         (500, code, text))
        for code, text in (
            (1003, "Internal error."),
            (2011, "Database connection error"),
            (7003, "Database connection error."),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("cause", "expected"),
    CASES,
    ids=[f"{expected[1]} {cause.__qualname__.partition('.')[0]}" for cause, expected in CASES],
)
def test_a_documented_refusal_has_a_cause(
    sandbox: Sandbox, call: Caller, cause: Cause, expected: tuple[int, int, str]
) -> None:
    try:
        assert refusal(call(*cause(sandbox, call))) == expected
    finally:
        sandbox.set_permissions(on=["language.list"])


def test_a_batch_names_each_refused_contact_under_its_key(call: Caller) -> None:
    shared = shared_address(call)
    call("POST", "contact", {"key_id": "3", "3": "existing@example.org"})
    cases: list[tuple[dict[str, Any], str, str, str]] = [
        ({"1": "x"}, "<NO_KEY_ID>", "2004", "Invalid key field id: 3"),
        ({"3": ["x"]}, "<NO_KEY_ID>", "2005", "Invalid key field value: 3"),
        ({"3": "6@example.org", "99999": "x"}, "6@example.org", "2006", "Invalid field id: 99999"),
        ({"3": "7@example.org", "5": "9"}, "7@example.org", "2007",
         "Invalid choice id for field id: 5"),
        ({"3": "existing@example.org"}, "existing@example.org", "2009",
         "Contact with the external id already exists: 3"),
        ({"3": shared}, shared, "2010", f"More contacts found with the external id: 3 - {shared}"),
        ({"3": "13@example.org", "source_id": "x"}, "13@example.org", "2013", "Invalid source id"),
    ]  # fmt: skip
    contacts = [contact for contact, _, _, _ in cases]
    expected: dict[str, dict[str, str]] = {}
    for _, key, code, text in cases:
        expected.setdefault(key, {})[code] = text
    document = {"key_id": "3", "contacts": contacts}
    assert call.data("POST", "contact", document) == {"ids": [], "errors": expected}


@pytest.mark.parametrize(("fault", "status"), [("bad_gateway", 502), ("overloaded", 503)])
def test_an_overloaded_server_answers_no_json(
    sandbox: Sandbox, call: Caller, fault: str, status: int
) -> None:
    sandbox.set_fault(fault, "GET settings")
    reply = call("GET", "settings")
    assert (reply.status_code, reply.headers["Content-Type"].partition("/")[0]) == (status, "text")


def test_an_event_in_use_cannot_be_deleted_and_names_its_usages(call: Caller) -> None:
    usages = [{"id": 301, "name": "Abandoned cart", "type": "program"}]
    assert call.data("GET", "event/124/usages") == usages
    reply = call("POST", "event/124/delete")
    text = "The event has blocking usages and cannot be deleted."
    assert reply.status_code == 400
    assert reply.json() == {"replyCode": 5012, "replyText": text, "data": usages}
    assert call.data("GET", "event/124")["name"] == "cart_abandoned"


def test_a_field_without_usages_is_deleted_and_its_slot_is_free_again(
    sandbox: Sandbox, call: Caller
) -> None:
    sandbox.switch(field_slots=1)
    document = {"name": "Only one", "application_type": "numeric"}
    for _ in range(2):
        number = call.data("POST", "field", document)["id"]
        second = call("POST", "field", {**document, "name": "Second"})
        assert refusal(second)[:2] == (500, 9004)
        call.data("DELETE", f"field/{number}")


def test_a_segment_made_of_a_list_has_its_contacts(call: Caller) -> None:
    document = {"name": "for a segment", "key_id": "id", "external_ids": ["700004", "700005"]}
    number = call.data("POST", "contactlist", document)["id"]
    part = {"relation": "OR", "segment_ids": [], "contact_list_ids": [number]}
    definition = {"include": part, "exclude": {"relation": "OR", "segment_ids": ["100400103"]}}
    made = call.data("POST", "combinedsegments", {"name": "List only", "definition": definition})[
        "id"
    ]
    assert call.data("GET", f"filter/{made}/contacts?limit=9") == ["700004", "700005"]
    call.data("GET", f"filter/{made}/delete")
    call.data("POST", f"contactlist/{number}/deletelist")
