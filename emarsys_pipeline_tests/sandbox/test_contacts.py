"""Reading and writing contacts, as section 3 of the API reference tells it."""

from __future__ import annotations

from typing import Any

import pytest

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline_tests.sandbox.calls import Caller, refusal

# Rows 0, 40 and 41 of the generated data share one e-mail address; row 3 has its own.
SHARED, OWN, OTHER = "700001", "700004", "700005"


def read(call: Caller, contact_id: str, field: str) -> Any:
    found = call.data("POST", "contact/getdata", {"keyValues": [contact_id], "fields": [field]})
    return found["result"][0][field]


def email(call: Caller, contact_id: str) -> str:
    return str(read(call, contact_id, "3")).strip()


def test_getdata_answers_found_missing_and_shared_keys(call: Caller) -> None:
    own, shared = email(call, OWN), email(call, SHARED)
    keys = [own, "nobody@example.org", shared]
    found = call.data("POST", "contact/getdata", {"keyId": "3", "keyValues": keys, "fields": []})
    assert [contact["id"] for contact in found["result"]] == [OWN]
    assert [(error["key"], error["errorCode"], error["errorMsg"]) for error in found["errors"]] == [
        ("nobody@example.org", 2008, "No contact found with the external id: 3"),
        (shared, 2010, f"More contacts found with the external id: 3 - {shared}"),
    ]
    assert {"id", "uid", "1", "3", "37", "10231", "10500"} <= set(found["result"][0])


def test_getdata_without_any_contact_answers_false(call: Caller) -> None:
    assert call.data("POST", "contact/getdata", {"keyValues": ["1"]})["result"] is False


def test_getdata_answers_string_ids_on_request(call: Caller) -> None:
    document = {"keyValues": [OWN], "fields": [1, 10500]}
    found = call.data("POST", "contact/getdata/stringids=1", document)
    assert set(found["result"][0]) == {"id", "uid", "first_name", "whatsapp_opt_in"}


def test_a_batch_writes_what_it_can_and_names_the_rest(call: Caller, sandbox: Sandbox) -> None:
    shared = email(call, SHARED)
    before = len(sandbox.log(field=10500))
    document = {
        "key_id": "3",
        "contacts": [
            {"3": email(call, OWN).upper(), "10500": "granted"},
            {"3": "nobody@example.org", "10500": "granted"},
            {"3": shared, "10500": "granted"},
            {"10500": "granted"},
            {"3": email(call, OTHER), "10500": "withdrawn", "31": "true"},
            {"3": email(call, OWN), "10500": "withdrawn"},
        ],
    }
    data = call.data("PUT", "contact", document)
    assert data == {
        "ids": [OWN, OWN],
        "errors": {
            "nobody@example.org": {
                "2008": "No contact found with the external id: 3 - nobody@example.org"
            },
            shared: {"2010": f"More contacts found with the external id: 3 - {shared}"},
            "<NO_KEY_ID>": {"2004": "Invalid key field id: 3"},
            email(call, OTHER): {"2007": "Invalid choice id for field id: 31"},
        },
    }
    written = sandbox.log(field=10500)[before:]
    assert [(row["contact_id"], row["value"]) for row in written] == [
        (OWN, "granted"),
        (OWN, "withdrawn"),
    ]
    assert sandbox.field_values("10500")[OWN] == "withdrawn"


@pytest.mark.parametrize(
    "path", ["contact/?create_if_not_exists=1", "contact/create_if_not_exists=1"]
)
def test_an_update_may_create_and_tells_created_ids_as_numbers(call: Caller, path: str) -> None:
    address = f"new-{len(path)}@example.org"
    document = {"key_id": "3", "contacts": [{"id": "x", "3": address}, {"3": email(call, OWN)}]}
    refused = call.data("PUT", path, document)
    assert refused == {"ids": [OWN], "errors": {address: {"2007": "Cannot set id"}}}
    document["contacts"][0].pop("id")  # type: ignore[attr-defined]
    ids = call.data("PUT", path, document)["ids"]
    assert [type(number) for number in ids] == [int, str]
    checked = call.data("POST", "contact/checkids", {"key_id": "3", "external_ids": [address, "x"]})
    assert checked == {
        "ids": {address: str(ids[0])},
        "errors": {"x": {"2008": "No contact found with the external id: 3"}},
    }
    again = call("POST", "contact", {"key_id": "3", "3": address})
    assert refusal(again) == (400, 2009, "Contact with the external id already exists: 3")
    assert call.data("GET", f"contact/3={address}") == {"id": str(ids[0])}
    assert call.data("POST", "contact/delete", {"key_id": "3", "3": [address]})["errors"] == []
    assert read(call, OWN, "3") is not None


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("10231", ["1", 4], [1, 4]),
        ("10231", [], (2007, "No choice provided for field id: 10231")),
        ("10231", "1", (2007, "Invalid data format for field id: 10231. Array expected")),
        ("10240", 20, "20"),
        ("10240", "1", (2007, "Invalid choice id for field id: 10240")),
        ("1", ["x"], (2007, "Invalid data format for field id: 1. Scalar expected")),
        ("4", "1990-02-30", (2007, "Invalid date format for field id: 4")),
        ("4", "1990-02-03", "1990-02-03"),
        ("31", "2", "2"),
        ("31", True, (2007, "Invalid choice id for field id: 31")),
        ("48", "2020-01-01", (2006, "Invalid field id: 48")),
        ("99999", "x", (2006, "Invalid field id: 99999")),
        ("10250", "12.5", "12.5"),
        ("whatsapp_opt_in", "", None),
    ],
)
def test_a_field_takes_its_kind_of_value(
    call: Caller, field: str, value: Any, expected: Any
) -> None:
    reply = call("PUT", "contact", {"key_id": "id", "id": OTHER, field: value})
    if isinstance(expected, tuple):
        assert refusal(reply) == (400, *expected)
    else:
        assert reply.json()["data"] == {"id": OTHER}
        number = "10500" if field == "whatsapp_opt_in" else field
        assert read(call, OTHER, number) == expected


def test_a_contact_is_updated_by_the_id_in_the_path(call: Caller) -> None:
    assert call.data("PUT", f"contact/{OTHER}", {"11": "Graz"}) == {"id": OTHER}
    assert read(call, OTHER, "11") == "Graz"


def test_query_pages_and_filters(call: Caller) -> None:
    first = call.data("GET", "contact/query/?return=3&limit=2")["result"]
    second = call.data("GET", "contact/query/?return=3&limit=1&offset=1")["result"]
    assert [set(row) for row in first] == [{"id", "3"}] * 2
    assert second == first[1:]
    own = read(call, OWN, "37")
    found = call.data("GET", f"contact/query/?return=37&37={own.replace('+', '%2B')}")["result"]
    assert {"id": OWN, "37": own} in found


def test_a_trigger_is_remembered_once(call: Caller, sandbox: Sandbox) -> None:
    item = {"external_id": OWN, "trigger_id": "order-1", "data": {"sum": "12.50"}}
    assert call.data("POST", "event/123/trigger", {"key_id": "id", **item}) == {}
    batch = {"key_id": "id", "contacts": [item, {"external_id": "1"}]}
    assert call.data("POST", "event/123/trigger", batch) == {
        "ids": [OWN],
        "errors": {"1": {"2008": "No contact found with the external id: id - 1"}},
    }
    remembered = [(t["contact_id"], t["trigger_id"]) for t in sandbox.event_triggers()]
    assert remembered == [(OWN, "order-1")]


def test_a_contact_list_grows_shrinks_and_is_paged(call: Caller) -> None:
    document = {"key_id": "id", "name": "Pages", "external_ids": [OWN, OTHER, "1"]}
    created = call.data("POST", "contactlist", document)
    assert created["errors"] == {"1": {"2008": "No contact found with the external id: id"}}
    path = f"contactlist/{created['id']}"
    page = call("GET", f"{path}/contactIds?$top=1").json()
    assert page == {"value": [int(OWN)], "next": f"/{path}/contactIds?$skiptoken={OWN}&$top=1"}
    rest = call("GET", page["next"].removeprefix("/")).json()
    assert rest == {"value": [int(OTHER)], "next": None}
    removal = {"key_id": "id", "external_ids": [OWN]}
    assert call.data("POST", f"{path}/delete", removal) == {"deleted_contacts": 1, "errors": []}
    assert call.data("GET", f"{path}/count") == 1


def test_switches_turn_to_the_other_documented_shapes(call: Caller, sandbox: Sandbox) -> None:
    sandbox.switch(
        empty_value_is_null=False,
        error_codes_are_text=True,
        empty_result_is_absent=True,
        field_ids_are_text=True,
        missing_choices_are_empty=True,
    )
    call.data("PUT", "contact", {"key_id": "id", "id": OTHER, "12": None})
    assert read(call, OTHER, "12") == ""
    missing = call.data("POST", "contact/getdata", {"keyValues": ["1"]})
    text = "No contact found with the external id: id"
    assert missing == {"errors": [{"key": "1", "errorCode": "2008", "errorMsg": text}]}
    assert {type(field["id"]) for field in call.data("GET", "field")} == {str}
    assert call.data("GET", "field/1/choice") == []


def test_an_email_is_found_however_it_was_written_and_after_it_changed(call: Caller) -> None:
    contact = {"key_id": "3", "3": " Key.Change@Example.ORG "}
    contact_id = str(call.data("POST", "contact", contact)["id"])
    call.data("PUT", "contact", {"key_id": "id", "id": contact_id, "3": "Later@example.org"})
    query = {"keyId": "3", "keyValues": ["key.change@example.org", "LATER@example.org "]}
    found = call.data("POST", "contact/getdata", {**query, "fields": [3]})
    assert [row["id"] for row in found["result"]] == [contact_id]
    assert [error["key"] for error in found["errors"]] == ["key.change@example.org"]


def test_accounts_with_interactions_are_told_what_listens(call: Caller, sandbox: Sandbox) -> None:
    sandbox.switch(has_interactions=True)
    listeners = {"email": False, "acProgram": False, "interactionsProgram": False}
    item = {"external_id": OWN, "data": {}}
    single = call.data("POST", "event/123/trigger", {"key_id": "id", **item})
    assert single == {"connectedTo": listeners}
    batch = call.data("POST", "event/123/trigger", {"key_id": "id", "contacts": [item]})
    assert batch == {"ids": [OWN], "errors": [], "connectedTo": listeners}


def test_event_data_may_have_99_kilobytes(call: Caller) -> None:
    body = {"key_id": "id", "external_id": OWN, "data": {"text": "x" * 99_000}}
    assert call.data("POST", "event/123/trigger", body) == {}
