"""The messaging platform's contact API, as the sandbox plays it."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox


@pytest.fixture(scope="module")
def platform() -> Iterator[Sandbox]:
    with running_sandbox(contacts=50) as running:
        yield running


def put(platform: Sandbox, key: str | None = None, **body: Any) -> requests.Response:
    return requests.put(
        platform.platform_url,
        json={"external_reference_id": "i1", "source_type": "emarsys"} | body,
        headers={"x-api-key": platform.platform_key if key is None else key},
        timeout=10,
    )


def test_what_is_sent_replaces_what_was_there_and_the_rest_stays(platform: Sandbox) -> None:
    first = put(
        platform,
        first_name="Ada",
        phone_numbers=[{"value": "+4915100000001"}],
        custom_properties={"city": "Graz", "score": 1},
    )
    assert first.status_code == 200
    put(platform, last_name="L", custom_properties={"city": None, "tags": ["x"]})
    assert platform.platform_profiles()["i1"] == {
        "external_reference_id": "i1",
        "platform_contact_id": first.json()["data"][0]["id"],
        "source_type": "emarsys",
        "first_name": "Ada",
        "middle_name": None,
        "last_name": "L",
        "phone_numbers": ["+4915100000001"],
        "email_addresses": [],
        "custom_properties": {"score": 1, "tags": ["x"]},
        "tags": [],
    }


def test_a_known_contact_is_found_by_its_number_and_keeps_it(platform: Sandbox) -> None:
    known = next(
        row
        for row in platform.platform_contacts()
        if row["phone"] and row["phone"] != "+4915100000001"
    )
    numbers = [{"value": "+4915100000002"}, {"value": known["phone"]}]
    put(platform, external_reference_id="i2", phone_numbers=numbers)
    profile = platform.platform_profiles()["i2"]
    assert profile["platform_contact_id"] == known["platform_contact_id"]
    (now,) = [
        row
        for row in platform.platform_contacts()
        if row["platform_contact_id"] == known["platform_contact_id"]
    ]
    assert now["phone"] == known["phone"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"consent": "granted"}, 400),
        ({"external_reference_id": ""}, 400),
        ({"source_type": None}, 400),
        ({"phone_numbers": ["+4915100000001"]}, 400),
        ({"phone_numbers": [{"value": "call me"}]}, 400),
        ({"email_address": "a@example.org"}, 400),
        ({"custom_properties": []}, 400),
        ({"first_name": 1}, 400),
        ({"tags": "x"}, 400),
        ({"first_name": "x" * 1_000_001}, 413),
    ],
)
def test_what_is_not_published_is_refused(
    platform: Sandbox, body: dict[str, Any], status: int
) -> None:
    before = platform.platform_upserts()
    assert put(platform, **body).status_code == status
    assert platform.platform_upserts() == before


def test_a_wrong_key_is_refused(platform: Sandbox) -> None:
    assert put(platform, key="").status_code == 401
    assert put(platform, key="another").status_code == 401


def test_the_log_and_the_profiles_outlive_a_restart(tmp_path: Any) -> None:
    state = tmp_path / "state.duckdb"
    with running_sandbox(contacts=20, state=state) as first:
        put(first, custom_properties={"city": "Graz"})
        kept = first.platform_profiles(), first.platform_upserts()
    with running_sandbox(contacts=20, state=state) as second:
        assert (second.platform_profiles(), second.platform_upserts()) == kept
    assert kept[1][0]["body"]["custom_properties"] == {"city": "Graz"}
