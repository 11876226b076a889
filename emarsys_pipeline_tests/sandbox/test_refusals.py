"""Each documented refusal: the request, and its HTTP status, reply code and text."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline_tests.sandbox.calls import Caller, refusal

EXPORT: dict[str, Any] = {
    "filter": 100400101,
    "distribution_method": "local",
    "contact_fields": [1],
}
CHANGES: dict[str, Any] = {
    "distribution_method": "local",
    "contact_fields": [1],
    "origin": "all",
    "origin_id": "0",
    "time_range": ["2025-01-01", "2025-01-02"],
}
FILTER_TEXT = "Invalid data format for filter. Integer expected"
KEPT = "This field cannot be deleted. "
NO_LIST = "No contact list found with the specified ID."

CASES: list[tuple[str, str, Any, tuple[int, int, str]]] = [
    ("GET", "export/x", None, (400, 1, "Action x is invalid.")),
    ("GET", "nothing", None, (400, 1, "Action nothing is invalid.")),
    ("DELETE", "filter", None, (400, 1009, "Invalid HTTP method.")),
    ("PATCH", "filter", None, (501, 1, "Method PATCH is not supported.")),
    ("GET", "field/translate/xx", None, (400, 1002, "Invalid language code")),
    ("GET", "field/1/choice", None, (400, 10001, "Invalid field id: 1")),
    ("GET", "filter/1/contacts?limit=1", None,
     (404, 10002, "The segment specified does not exist.")),
    ("GET", "filter/100400101/contacts", None, (400, 10001, "Limit is a required parameter.")),
    ("GET", "filter/100400101/contacts?limit=0", None,
     (400, 10001, "Limit must be a positive number.")),
    ("GET", "filter/100400101/contacts?limit=1000001", None,
     (400, 10001, "Limit must be less than 1000000.")),
    ("GET", "filter/100400101/contacts?limit=1&offset=-1", None,
     (400, 10001, "Offset must be zero, or a positive number.")),
    ("GET", f"filter/100400101/contacts?limit=1&offset={2**64}", None,
     (400, 10001, "Offset must be zero, or a positive number.")),
    ("GET", "filter/100400101/contacts?limit=²", None,
     (400, 10001, "Limit must be a positive number.")),
    ("GET", "filter/runs/absent", None, (404, 10008, "The segment run specified does not exist.")),
    ("GET", "combinedsegments/5", None, (404, 13001, "Combined segment not found.")),
    ("POST", "contact/getdata", {}, (400, 10001, "Missing parameter: keyValues")),
    ("POST", "contact/getdata", {"keyValues": "1"}, (400, 10001, "keyValues must be an array")),
    ("POST", "contact/getdata", {"keyValues": ["1"], "fields": "3"},
     (400, 10001, "Fields must be an array")),
    ("POST", "contact/getdata", {"keyValues": ["1"], "keyId": "absent"},
     (400, 10001, "keyId must be an integer")),
    ("POST", "contact/getdata", {"keyValues": ["1"] * 1001},
     (400, 10001, "Max. number of contacts: 1000")),
    ("PUT", "contact", {"key_id": "3", "contacts": [{"3": "a"}] * 1001},
     (400, 1000, "The request exceeded the maximum batch size of 1,000")),
    ("PUT", "contact", {"key_id": "77777", "77777": "x"},
     (400, 2004, "Invalid key field id: 77777")),
    ("PUT", "contact", {"key_id": "3", "1": "x"},
     (400, 2005, "No value provided for key field: 3")),
    ("PUT", "contact", {"key_id": "3", "3": "nobody@example.org"},
     (400, 2008, "No contact found with the external id: 3 - nobody@example.org")),
    ("PUT", "contact", {"key_id": "3", "3": "a@example.org", "contact_list_id": 1},
     (400, 2020, "Invalid contact list id: 1")),
    ("POST", "contact", {"key_id": "id", "id": "1"},
     (400, 2004, "Cannot use internal ID as key on contact creation")),
    ("POST", "contact/checkids", {"key_id": "3", "external_ids": "a"},
     (400, 2003, "Invalid datatype for the list of external ids. Array expected")),
    ("GET", "contact/query/", None, (400, 2014, "No field specified to return")),
    ("GET", "contact/query/?return=99", None, (400, 2006, "Invalid field id: 99")),
    ("GET", "contact/query/?return=3&11=Wien", None, (400, 2015, "No index on column")),
    ("GET", "contact/query/?return=3&limit=10001", None, (400, 2016, "Invalid limit")),
    ("POST", "contact/delete", {"key_id": "3", "3": ["nobody@example.org"]},
     (404, 2008, "No contact found with the external id: 3 - nobody@example.org")),
    ("POST", "export/filter", {k: v for k, v in EXPORT.items() if k != "filter"},
     (400, 10001, "Missing parameter: filter")),
    ("POST", "export/filter", {**EXPORT, "filter": "x"}, (400, 10001, FILTER_TEXT)),
    ("POST", "export/filter", {**EXPORT, "filter": 5}, (400, 10001, FILTER_TEXT)),
    ("POST", "export/filter", {**EXPORT, "contact_fields": "1"},
     (400, 10001, "Invalid data format for contact_fields. Array expected")),
    ("POST", "export/filter", {**EXPORT, "contact_fields": []},
     (400, 10001, "Invalid number of fields")),
    ("POST", "export/filter", {**EXPORT, "contact_fields": list(range(1, 22))},
     (400, 10001, "Invalid number of fields")),
    ("POST", "export/filter", {**EXPORT, "contact_fields": [1, 27, 999]},
     (400, 10001, "Invalid contact field id: 27, 999")),
    ("POST", "export/filter", {**EXPORT, "distribution_method": "post"},
     (400, 10001, "Invalid distribution method: post")),
    ("POST", "export/filter", {**EXPORT, "delimiter": "|"},
     (400, 10001, "Invalid value for delimiter: |")),
    ("POST", "contact/getchanges", {**CHANGES, "origin": "x"}, (400, 10001, "Invalid origin: x")),
    ("POST", "contact/getchanges", {**CHANGES, "origin_id": "x"},
     (400, 10001, "Invalid data format for origin_id. Integer expected")),
    ("POST", "contact/getchanges", {**CHANGES, "time_range": "x"},
     (400, 10001, "Invalid data format for time_range. Array expected")),
    ("POST", "contact/getchanges", {**CHANGES, "time_range": ["2025-01-01"]},
     (400, 10001, "Invalid data format for time_range. Array size must be 2")),
    ("POST", "contact/getchanges", {**CHANGES, "time_range": ["x", "y"]},
     (400, 10001, "Valid start_date and end_date is required")),
    ("POST", "contact/getchanges", {**CHANGES, "time_range": ["2025-01-02", "2025-01-01"]},
     (400, 10001, "Invalid value for end_date: end_date is earlier than the start_date")),
    ("POST", "email/getcontacts", EXPORT, (400, 10001, "Missing parameter: contactlist")),
    ("POST", "contact/getchanges", {**CHANGES, "distribution_method": "mail"},
     (400, 10001, "Invalid distribution method: mail")),
    ("POST", "email/getcontacts", {**EXPORT, "contactlist": 1},
     (400, 10001, "Invalid data format for contactlist. Integer expected")),
    ("GET", "export/1", None, (400, 10001, "Invalid export ID")),
    ("POST", "event", {}, (400, 5002, "Parameter name is required.")),
    ("GET", "event/1", None, (400, 5001, "No event found with the specified ID.")),
    ("POST", "event/1/trigger", {"external_id": "x"},
     (400, 5001, "Invalid event id for customer.")),
    ("POST", "event/123/trigger", {"external_id": "x", "event_time": "noon"},
     (400, 5010, "Invalid event time format.")),
    ("POST", "event/123/trigger", {"external_id": "x", "data": "{"},
     (400, 5009, "Event data is not valid JSON.")),
    ("POST", "event/123/trigger", {"external_id": "x", "data": [1]},
     (400, 5011, "Event data is not an object.")),
    ("POST", "event/123/trigger", {"external_id": "x", "data": {"text": "x" * 100_000}},
     (400, 5008, "Event data size above limit for interactions program triggering.")),
    ("POST", "event/123/trigger", {"key_id": "3", "external_id": "nobody@example.org"},
     (400, 2008, "No contact found with the external id: 3 - nobody@example.org")),
    ("POST", "contactlist", {}, (400, 3001, "List name is not set.")),
    ("GET", "contactlist/1/count", None, (404, 3006, NO_LIST)),
    ("POST", "field", {"name": "X", "application_type": "singlechoice"},
     (400, 9006, "This type of field cannot be created via the API.")),
    ("POST", "field", {"name": "X"},
     (400, 9005, "Parameters name and application_type are required.")),
    ("POST", "field", {"name": ["X"], "application_type": "date"},
     (400, 9001, "Invalid field name")),
    ("PUT", "filter", {"name": ["X"]},
     (400, 1008, "Validation error: The following required fields are missing: name")),
    ("POST", "combinedsegments", {"name": ["X"]}, (400, 13003, "No name provided.")),
    ("POST", "field", {"name": " ", "application_type": "date"}, (400, 9001, "Invalid field name")),
    ("POST", "field", {"name": "Notes", "application_type": "date"},
     (400, 9002, "A field with this name already exists.")),
    ("POST", "field", {"name": "New", "application_type": "date", "string_id": "notes"},
     (400, 9002, "A field with this string ID already exists.")),
    ("POST", "field", {"name": "City", "application_type": "date"}, (400, 9003, "Reserved name")),
    ("POST", "field", {"name": "uid", "application_type": "date"}, (400, 9003, "Reserved name")),
    ("POST", "field", {"name": "New", "application_type": "date", "string_id": "city"},
     (400, 9003, "Reserved string ID")),
    ("DELETE", "field/99999", None, (404, 1, "No such field")),
    ("PUT", "contact", {}, (400, 1006, "Empty parameters")),
    ("PUT", "contact", [1], (400, 1016, "Invalid input type: body")),
    ("PUT", "contact", {"contacts": "x"},
     (400, 2003, "Invalid data format. Array expected")),
    ("PUT", "contact", {"key_id": "id", "id": "700004", "source_id": "shop"},
     (400, 2013, "Invalid source id")),
    ("PUT", "contact", {"key_id": "id", "id": "700004", "31": "true"},
     (400, 2007, "Invalid choice id for field id: 31")),
    ("PUT", "contact", {"key_id": "id", "id": "700004", "10231": []},
     (400, 2007, "No choice provided for field id: 10231")),
    ("POST", "contact/checkids", {"external_ids": ["1"] * 1001},
     (400, 2002, "The list of external ids exceeds the maximum size.")),
    ("POST", "contactlist", {"name": "L", "external_ids": ["1"] * 10_001},
     (400, 3002, "The list of external IDs exceeds the maximum size.")),
    ("POST", "contactlist", {"name": "L", "external_ids": "1"},
     (400, 3003, "Invalid datatype for the list of external IDs. Array expected.")),
    ("POST", "event", {"name": "order_paid"},
     (400, 5003, "An external event with this name already exists.")),
    ("POST", "event", {"name": {"a": 1}}, (400, 5002, "Parameter name is required.")),
    ("POST", "contactlist", {"name": ["a"]}, (400, 3001, "List name is not set.")),
    ("POST", "contact/getchanges", {**CHANGES, "time_range": ["0001-01-01", "9999-12-31"]},
     (400, 10001, "Valid start_date and end_date is required")),
    ("GET", "event/0", None, (400, 5004, "Event ID: 0 is invalid.")),
    ("GET", "filter/single_runs/absent", None,
     (404, 10009, "The single segment run specified does not exist.")),
    ("DELETE", "field/10231", None, (400, 257, f"{KEPT}It is currently being used in a form.")),
    ("DELETE", "field/3101", None,
     (400, 259, f"{KEPT}You are not authorised to delete this field.")),
    ("DELETE", "field/10250", None, (400, 260, f"{KEPT}It is currently being used in an export.")),
    ("DELETE", "field/10260", None,
     (400, 261, f"{KEPT}It is currently being used in the following segments: Recent buyers")),
    ("DELETE", "field/10252", None, (400, 262, f"{KEPT}It is currently being used in an import.")),
    ("DELETE", "field/3", None, (400, 263, "System fields cannot be deleted or edited.")),
    ("DELETE", "field/10290", None,
     (400, 264, f"{KEPT}It is currently being used by the Last Response Field feature.")),
    ("DELETE", "field/10240", None,
     (400, 265, "Field can't be deleted because it is used in the following programs:"
      " Loyalty upgrade")),
    ("GET", "contact", None, (400, 1001, "One or more parameters are invalid or missing.")),
    ("GET", "contact/3=nobody@example.org", None,
     (400, 2008, "No contact found with the external id: 3 - nobody@example.org")),
    ("GET", "contact/query/?return=3&99=x", None, (400, 2006, "Invalid field id: 99")),
    ("POST", "export/filter", {**EXPORT, "language": "xx"}, (400, 1002, "Invalid language code")),
    ("GET", "field/choices?fields=5&language=xx", None, (400, 1002, "Invalid language code")),
    ("GET", "field/choices", None, (400, 10001, "Missing parameter: fields")),
    ("GET", "field/99999/choice", None, (400, 10001, "Invalid field id: 99999")),
    ("POST", "contact", {"key_id": "3", "contacts": [{"3": "a"}] * 1001},
     (400, 1000, "The request exceeded the maximum batch size of 1,000")),
    ("POST", "contact/delete", {"key_id": "3", "3": ["a"] * 1001},
     (400, 1000, "The request exceeded the maximum batch size of 1,000")),
    ("POST", "contact/delete", {"key_id": "3"}, (400, 2005, "No value provided for key field: 3")),
    ("POST", "contact/merge", {"key_id": "3"}, (400, 2005, "No value provided for key field: 3")),
    ("PUT", "contact", {"key_id": "3", "3": ["a"]}, (400, 2005, "Invalid key field value: 3")),
    ("PUT", "contact", {"key_id": "id", "id": "700004", "99999": "x"},
     (400, 2006, "Invalid field id: 99999")),
    ("PUT", "contact", {"key_id": "id", "id": "700004", "": "x"},
     (400, 2006, "Empty field id for value: x")),
    ("PUT", "contact", {"key_id": "id", "id": "700004", "10231": "1"},
     (400, 2007, "Invalid data format for field id: 10231. Array expected")),
    ("PUT", "contact", {"key_id": "id", "id": "700004", "1": ["x"]},
     (400, 2007, "Invalid data format for field id: 1. Scalar expected")),
    ("PUT", "contact", {"key_id": "id", "id": "700004", "4": "03.02.1990"},
     (400, 2007, "Invalid date format for field id: 4")),
    ("PUT", "contact", {"key_id": "id", "id": "700004", "uid": "x"}, (400, 2007, "Cannot set uid")),
    ("POST", "contact/checkids", {"key_id": "77777", "external_ids": ["a"]},
     (400, 2004, "Invalid key field id: 77777")),
    ("POST", "contact/checkids", {"key_id": "3", "external_ids": [""]},
     (400, 2005, "No value provided for key field: 3")),
    ("GET", "filter/1", None, (404, 10002, "The segment specified does not exist.")),
    ("POST", "filter/1/runs", None, (404, 10002, "The segment specified does not exist.")),
    ("POST", "filter/100400101/single_runs", None,
     (400, 10009, "Contact id for single run is not specified.")),
    ("PUT", "filter", {},
     (400, 1008, "Validation error: The following required fields are missing: name")),
    ("PUT", "filter", {"name": "VIP customers"},
     (400, 1008, "Validation error: Filter name is duplicated.")),
    ("GET", "filter/100400101/delete", None, (400, 1008, "Filter has dependencies.")),
    ("POST", "combinedsegments", {"name": "New", "definition": {"include": {"segment_ids": 5}}},
     (400, 13005, "Definition is invalid.")),
    ("POST", "combinedsegments",
     {"name": "New", "definition": {"include": {"contact_list_ids": ["1"]}}},
     (400, 13005, "Definition is invalid.")),
    ("POST", "combinedsegments", {}, (400, 13002, "Invalid JSON input.")),
    ("POST", "combinedsegments", {"definition": {}}, (400, 13003, "No name provided.")),
    ("POST", "combinedsegments", {"name": "Newsletter or VIP"},
     (400, 13004, "Name already exists.")),
    ("POST", "combinedsegments", {"name": "New"}, (400, 13005, "Definition is invalid.")),
    ("POST", "combinedsegments", {"id": 5, "name": "New"},
     (404, 13001, "Combined segment not found.")),
    *(
        ("POST", "contact/getchanges", {k: v for k, v in CHANGES.items() if k != missing},
         (400, 10001, f"Missing parameter: {missing}"))
        for missing in ("distribution_method", "contact_fields", "origin", "time_range")
    ),
    ("POST", "export/filter", {**EXPORT, "add_field_names_header": 7},
     (400, 10001, "Invalid value for add_field_names_header: 7")),
    ("GET", "export/1/data", None, (400, 10001, "Invalid export ID")),
    ("GET", "export/5119", None, (400, 4002, "Invalid export type")),
    ("GET", "event/1/usages", None, (400, 5001, "No event found with the specified ID.")),
    ("POST", "event/0/trigger", {"external_id": "x"}, (400, 5004, "Event ID: 0 is invalid.")),
    ("POST", "event/123/trigger", {"key_id": "77777", "external_id": "x"},
     (400, 2004, "Invalid key field id: 77777")),
    ("POST", "event/123/trigger", {"key_id": "3"},
     (400, 2005, "No value provided for key field: 3")),
    ("POST", "event/123/trigger", {"key_id": "id", "external_id": "1"},
     (400, 2012, "Invalid contact id for customer.")),
    ("POST", "contactlist", {"name": "a<b"},
     (400, 3004, "List name contains invalid character(s).")),
    ("POST", "contactlist", {"name": "L", "description": "a<b"},
     (400, 3004, "Description contains invalid character(s).")),
    ("GET", "contactlist/0/count", None, (400, 3004, "Invalid contact list id: 0")),
    ("POST", "contactlist", {"name": "L", "key_id": "77777", "external_ids": ["a"]},
     (400, 2004, "Invalid key field id: 77777")),
    *(
        ("POST", f"contactlist/1/{action}", {}, (404, 3006, NO_LIST))
        for action in ("add", "delete", "replace", "rename", "deletelist")
    ),
    ("GET", f"contactlist/{2**80}/count", None, (400, 1, f"Action {2**80} is invalid.")),
    ("GET", "contactlist/1/contactIds", None, (404, 3006, NO_LIST)),
    ("GET", "contactlist/1/contacts", None, (404, 3006, NO_LIST)),
    ("GET", "contactlist/1/contacts/data?fields=1", None, (404, 3006, NO_LIST)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "document", "expected"),
    CASES,
    ids=[f"{method} {path} {expected[1]}" for method, path, _, expected in CASES],
)
def test_a_documented_refusal(
    call: Caller, method: str, path: str, document: Any, expected: tuple[int, int, str]
) -> None:
    assert refusal(call(method, path, document)) == expected


def test_a_body_that_is_not_json_is_refused(call: Caller) -> None:
    for body in (b"{", b"\xff\xfe", b"[" * 100_000):
        reply = call("POST", "contact/getdata", data=body)
        assert refusal(reply) == (400, 1010, "Invalid request payload.")


def test_another_version_is_refused(sandbox: Sandbox) -> None:
    reply = requests.get(f"{sandbox.url}/api/v4/settings", timeout=10)
    assert refusal(reply) == (400, 1, "Action v4 is invalid.")


def test_a_body_above_the_limit_is_refused(call: Caller) -> None:
    document = {"key_id": "3", "external_id": "x", "data": {"text": "x" * 1_000_001}}
    assert call("POST", "event/123/trigger", document).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "filter/100400101/contacts?limit=2&offset=1",
        "filter/100400101/contacts/?limit=2&offset=1",
        "filter/100400101/contacts/limit=2&offset=1",
        "filter/100400101/contacts/limit=2&offset=1/",
    ],
)
def test_parameters_come_as_query_or_path_segment(call: Caller, path: str) -> None:
    everyone = call.data("GET", "filter/100400101/contacts?limit=1000")
    assert call.data("GET", path) == everyone[1:3]


def test_parameters_come_as_a_body_on_get(call: Caller) -> None:
    everyone = call.data("GET", "filter/100400101/contacts?limit=1000")
    assert call.data("GET", "filter/100400101/contacts", {"limit": 2, "offset": 1}) == everyone[1:3]


def test_an_export_that_was_not_for_download_cannot_be_downloaded(call: Caller) -> None:
    export_id = call.export("export/filter", filter="100400104", distribution_method="mail")
    text = '"distribution_method" of this export is not compatible.'
    assert refusal(call("GET", f"export/{export_id}/data")) == (404, 4004, text)


def test_a_contact_list_name_is_free_once(call: Caller) -> None:
    call.data("POST", "contactlist", {"name": "taken"})
    text = "Contact list with the requested name already exists."
    assert refusal(call("POST", "contactlist", {"name": "taken"})) == (400, 3005, text)


def test_the_body_of_an_update_may_be_larger_than_a_trigger_but_has_its_limit(
    call: Caller,
) -> None:
    contacts = [{"id": "700004", "10270": "x" * 1_500_000}]
    assert call("PUT", "contact", {"key_id": "id", "contacts": contacts}).status_code == 200
    contacts[0]["10270"] = "x" * 8_100_000
    assert call("PUT", "contact", {"key_id": "id", "contacts": contacts}).status_code == 413
    call.data("PUT", "contact", {"key_id": "id", "id": "700004", "10270": None})
