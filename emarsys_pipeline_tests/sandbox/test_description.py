"""The OpenAPI description agrees with what is served."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types

from emarsys_pipeline.sandbox.app import api_routes
from emarsys_pipeline.sandbox.control import ABOUT, control_routes
from emarsys_pipeline.sandbox.faults import FAULTS
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.sandbox.schemas import BODIES, DATA, QUERIES
from emarsys_pipeline.sandbox.state import State
from emarsys_pipeline.sandbox.switches import SWITCHES
from emarsys_pipeline_tests.sandbox.calls import Caller

NEWSLETTER, COMBINED = "100400101", "100400106"
OWN = "700004"
ORDER = {"distribution_method": "local", "contact_fields": [1, "3"]}
# Endpoint, the values of its path's parts, its body.
CALLS: list[tuple[str, dict[str, str], Any]] = [
    ("POST contact/getdata", {}, {"keyValues": [OWN, "1"], "fields": [1]}),
    ("POST contact/getdata", {}, {"keyValues": ["1"]}),
    ("POST contact/checkids", {}, {"external_ids": [OWN, "1"]}),
    ("POST contact/checkids", {}, {"external_ids": [OWN], "get_multiple_ids": True}),
    ("POST contact", {}, {"key_id": "3", "3": "described@example.org"}),
    ("POST contact", {}, {"contacts": [{"3": "also.described@example.org"}]}),
    ("PUT contact", {}, {"key_id": "id", "id": OWN, "11": "Graz"}),
    ("PUT contact", {}, {"key_id": "id", "contacts": [{"id": OWN}, {"id": "1"}]}),
    ("PUT contact/{contactId}", {"contactId": OWN}, {"11": "Linz"}),
    ("POST contact/delete", {}, {"3": ["also.described@example.org"]}),
    ("GET field", {}, None),
    ("GET field/translate/{language}", {"language": "de"}, None),
    ("GET field/{id}/choice", {"id": "10231"}, None),
    ("GET field/{id}/choice/translate/{language}", {"id": "5", "language": "de"}, None),
    ("GET filter", {}, None),
    ("GET filter/{id}", {"id": NEWSLETTER}, None),
    ("GET filter/{id}/contacts/count", {"id": NEWSLETTER}, None),
    ("GET filter/{id}/contacts/{contactId}", {"id": NEWSLETTER, "contactId": OWN}, None),
    ("GET combinedsegments", {}, None),
    ("GET combinedsegments/{id}", {"id": COMBINED}, None),
    ("POST filter/{id}/runs", {"id": NEWSLETTER}, {}),
    ("POST export/filter", {}, {"filter": NEWSLETTER, **ORDER}),
    ("GET export/{id}", {"id": "5120"}, None),
    ("GET event", {}, None),
    ("GET event/{id}", {"id": "123"}, None),
    ("POST event", {}, {"name": "described"}),
    ("POST event/{id}/trigger", {"id": "123"}, {"key_id": "id", "external_id": OWN}),
    ("POST event/{id}/trigger", {"id": "123"}, {"contacts": [{"external_id": "no@example.org"}]}),
    ("POST contactlist", {}, {"name": "described"}),
    ("POST contactlist/{id}/add", {"id": "LIST"}, {"key_id": "id", "external_ids": [OWN, "1"]}),
    ("GET contactlist", {}, None),
    ("GET contactlist/{id}", {"id": "LIST"}, None),
    ("GET contactlist/{id}/contactIds", {"id": "LIST"}, None),
    ("GET contactlist/{id}/contacts/data?fields=1", {"id": "LIST"}, None),
    ("GET contactlist/{id}/count", {"id": "LIST"}, None),
    ("GET settings", {}, None),
    ("GET language", {}, None),
]


@pytest.fixture
def paths(sandbox: Sandbox) -> dict[str, Any]:
    return dict(requests.get(f"{sandbox.url}/openapi.json", timeout=10).json()["paths"])


def json_schema(content: dict[str, Any]) -> Any:
    return content["content"]["application/json"]["schema"]


@pytest.mark.parametrize(("name", "values", "body"), CALLS, ids=lambda value: str(value)[:60])
def test_requests_and_answers_have_the_described_form(
    paths: dict[str, Any], call: Caller, name: str, values: dict[str, str], body: Any
) -> None:
    method, pattern = name.split(" ")
    call("POST", "contactlist", {"name": "there is one at least"})
    if values.get("id") == "LIST":
        values = {"id": call.data("GET", "contactlist")[0]["id"]}
    call.export("export/filter", filter="100400104")
    operation = paths[f"/api/v2/{pattern.partition('?')[0]}"][method.lower()]
    reply = call(method, pattern.format(**values), body)
    assert reply.status_code == 200, reply.text
    Draft202012Validator(json_schema(operation["responses"]["200"])).validate(reply.json())
    if body is not None:
        Draft202012Validator(json_schema(operation["requestBody"])).validate(body)


def test_every_schema_is_one_and_belongs_to_an_endpoint(paths: dict[str, Any]) -> None:
    names = {route.name for route in api_routes()}
    assert {*BODIES, *DATA, *QUERIES} - names == set()
    for operations in paths.values():
        for operation in operations.values():
            for content in (operation["responses"]["200"], operation.get("requestBody")):
                for media in (content or {"content": {}})["content"].values():
                    Draft202012Validator.check_schema(media["schema"])


def test_a_refusal_has_the_described_form(sandbox: Sandbox, call: Caller) -> None:
    document = requests.get(f"{sandbox.url}/openapi.json", timeout=10).json()
    schema = json_schema(document["components"]["responses"]["Refusal"])
    Draft202012Validator(schema).validate(call("GET", "filter/7").json())
    Draft202012Validator(schema).validate(call("POST", "event/124/delete").json())
    assert not Draft202012Validator(schema).is_valid(call("GET", "settings").json())


def test_the_page_explains_everything_that_can_be_called(sandbox: Sandbox) -> None:
    page = html.unescape(requests.get(sandbox.url, timeout=10).text)
    names = [*(route.name for route in api_routes()), *FAULTS, *SWITCHES, *ABOUT]
    assert [name for name in names if f"<code>{name}</code>" not in page] == []
    assert sandbox.secret in page
    assert sandbox.client_secret in page


def test_every_call_of_the_control_api_is_explained(tmp_path: Path) -> None:
    state = State(tmp_path / "account.duckdb")
    served = {
        f"{method} {route.path}"
        for route in control_routes(state)
        for method in (route.methods or set()) - {"HEAD"}
    }
    state.close()
    assert served == set(ABOUT)
