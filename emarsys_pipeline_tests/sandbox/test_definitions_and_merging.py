"""Endpoints that change the account itself: segments, fields, merged contacts; its description."""

from __future__ import annotations

import requests

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline_tests.sandbox.calls import Caller, refusal


def test_a_combined_segment_is_made_changed_and_counted(call: Caller) -> None:
    parts = {"relation": "AND", "segment_ids": ["100400101", "100400102"]}
    made = call.data("POST", "combinedsegments", {"name": "Both", "definition": {"include": parts}})
    both = call.data("GET", f"filter/{made['id']}/contacts?limit=1000000")
    sides = [
        {*call.data("GET", f"filter/{number}/contacts?limit=1000000")}
        for number in parts["segment_ids"]
    ]
    assert {*both} == sides[0] & sides[1] != set()
    less = {
        "include": {"relation": "OR", "segment_ids": ["100400101"]},
        "exclude": {"relation": "OR", "segment_ids": ["100400102"]},
    }
    call.data("POST", "combinedsegments", {"id": made["id"], "name": "One", "definition": less})
    shown = call.data("GET", f"combinedsegments/{made['id']}")
    assert shown == {"id": made["id"], "name": "One", "definition": less}
    one = call.data("GET", f"filter/{made['id']}/contacts/count")
    assert one == len(sides[0] - sides[1])
    call.data("GET", f"filter/{made['id']}/delete")
    assert refusal(call("GET", f"filter/{made['id']}"))[:2] == (404, 10002)


def test_a_combined_segment_without_name_or_parts_is_refused(call: Caller) -> None:
    documents: list[dict[str, object]] = [
        {},
        {"definition": {}},
        {"name": "Newsletter or VIP", "definition": {}},
        {"name": "New", "definition": {"include": {"segment_ids": ["1"]}}},
        {"id": 1, "name": "New"},
    ]
    codes = [refusal(call("POST", "combinedsegments", given))[:2] for given in documents]
    assert codes == [(400, 13002), (400, 13003), (400, 13004), (400, 13005), (404, 13001)]


def test_a_segment_keeps_its_criteria(call: Caller) -> None:
    document: dict[str, object] = {"name": "Criteria", "contactCriteria": {"type": "criteria"}}
    number = call.data("PUT", "filter", document)["id"]
    assert call.data("GET", f"filter/{number}/contact_criteria") == {"type": "criteria"}
    assert call.data("GET", f"filter/{number}/contacts/count") == 0
    assert refusal(call("PUT", "filter", document))[:2] == (400, 1008)


def test_a_field_is_created_written_and_deleted(call: Caller) -> None:
    document = {"name": "Pet", "application_type": "shorttext", "string_id": "pet"}
    number = call.data("POST", "field", document)["id"]
    assert refusal(call("POST", "field", document))[:2] == (400, 9002)
    call.data("PUT", "contact", {"key_id": "id", "id": "700010", "pet": "Cat"})
    read = {"keyValues": ["700010"], "fields": [number]}
    found = call.data("POST", "contact/getdata", read)
    assert found["result"][0][str(number)] == "Cat"
    call.data("DELETE", f"field/{number}")
    assert refusal(call("DELETE", f"field/{number}"))[:2] == (404, 1)


def test_merging_fills_what_the_target_lacks(call: Caller) -> None:
    ids = call.data(
        "POST",
        "contact",
        {
            "key_id": "3",
            "contacts": [
                {"3": "source@example.org", "1": "Ada", "11": "Graz"},
                {"3": "target@example.org", "1": "Bea"},
            ],
        },
    )["ids"]
    document = {
        "key_id": "3",
        "source_key_value": "source@example.org",
        "target_key_value": "target@example.org",
        "delete_source": True,
    }
    assert call.data("POST", "contact/merge", document) == {"id": str(ids[1])}
    read = {"keyValues": ids, "fields": [1, 11]}
    found = call.data("POST", "contact/getdata", read)
    assert [(c["id"], c["1"], c["11"]) for c in found["result"]] == [(str(ids[1]), "Bea", "Graz")]
    assert [error["key"] for error in found["errors"]] == [ids[0]]


def test_openapi_names_every_endpoint_of_both_versions(sandbox: Sandbox) -> None:
    document = requests.get(f"{sandbox.url}/openapi.json", timeout=10).json()
    paths = document["paths"]
    assert {"get", "post", "put"} == set(paths["/api/v3/contact"])
    versions = [
        {path.removeprefix(f"/api/{v}/") for path in paths if path.startswith(f"/api/{v}/")}
        for v in ("v2", "v3")
    ]
    assert versions[0] == versions[1]
    operation_ids = [o["operationId"] for path in paths.values() for o in path.values()]
    assert len(operation_ids) == len(set(operation_ids))
    page = requests.get(sandbox.url, timeout=10)
    assert "export/{id}/data" in page.text
    assert requests.get(f"{sandbox.url}/healthcheck", timeout=10).status_code == 200


def test_the_token_endpoint_can_fail(sandbox: Sandbox) -> None:
    sandbox.set_fault("overloaded", "POST oauth2/token")
    statuses = [
        requests.post(
            sandbox.token_url,
            auth=(sandbox.client_id, sandbox.client_secret),
            data={"grant_type": "client_credentials"},
            timeout=10,
        ).status_code
        for _ in range(2)
    ]
    assert statuses == [503, 200]
