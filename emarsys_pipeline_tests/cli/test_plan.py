"""``emarsys-pipeline plan`` against the sandbox: the limits, exactly, and nothing written."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline_tests.cli.running import Run, make_run, write_settings

READERS, HALF_A_MILLION, ONE_MORE = "100400101", "100400108", "100400109"
FIELD_IDS = [1, 2, 3, 4, 9, 10, 11, 12, 13, 15, 16, 18, 21, 22, 25, 26, 37, 38, 41, 42, 43]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=120, seed=3) as running:
        yield running


@pytest.fixture
def settings(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    start = datetime.now(UTC) - timedelta(days=2)
    monkeypatch.setenv("COLUMNS", "200")
    return write_settings(
        tmp_path, sandbox, monkeypatch, change=("2026-01-01T00:00:00Z", f"{start:%Y-%m-%d}")
    )


@pytest.fixture
def run(settings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    assert settings.exists()
    return make_run(capsys, monkeypatch)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def map_fields(path: Path, number: int) -> None:
    """Map so many fields, e-mail address and mobile number among them."""
    text = path.read_text()
    start, end = text.index("    fields:"), text.index("    opt_in:")
    lines = [
        f"      - {{emarsys: {field_id}, as: p{field_id}"
        + (", identifier: email" if field_id == 3 else "")
        + "}\n"
        for field_id in FIELD_IDS[:number]
    ]
    path.write_text(text[:start] + "    fields:\n" + "".join(lines) + text[end:])


def test_the_plan_is_a_table_for_people_and_json_for_programs(
    run: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    before = sandbox.log()
    ran = run("plan")
    (account,) = run("plan", "--json").json
    readers, customers = account["segments"]
    assert ran.exit_code == 0
    assert [readers["segment_id"], customers["name"]] == [READERS, "VIP customers"]
    assert (readers["mode"], readers["new"], readers["left"]) == ("full", readers["contacts"], 0)
    total = account["shared_api_calls"] + readers["api_calls"] + customers["api_calls"]
    assert account["api_calls"] == total
    assert f"shop_de: {total} API calls, 2 of them shared; 4 of at most 20 fields" in ran.output
    assert f"{READERS}: full, its first import" in ran.output
    assert sandbox.log() == before
    assert not list((tmp_path / "home").glob("*.duckdb"))


def test_exactly_20_fields_are_planned_and_21_refused_before_anything_is_asked(
    run: Run, settings: Path, sandbox: Sandbox
) -> None:
    map_fields(settings, 20)
    (account,) = run("plan", "--json").json
    assert (account["problem"], len(account["fields"])) == (None, 20)
    by_getdata = [each["property"] for each in account["fields"] if each["fetched_by"] != "export"]
    # Country and opt-in field are fetched beside the 20, of which an export holds no more.
    assert len(by_getdata) >= 1
    map_fields(settings, 21)
    asked = len(sandbox.requests())
    refused = run("plan")
    assert refused.exit_code == 1
    message = " ".join(refused.errors.split())
    assert "maps 21 fields, and Emarsys exports at most 20; remove 1" in message
    assert len(sandbox.requests()) == asked


@pytest.mark.slow
@pytest.mark.parametrize("may_count", [True, False], ids=["counting", "not counting"])
def test_exactly_500000_contacts_are_planned_and_500001_refused(
    run: Run, settings: Path, sandbox: Sandbox, *, may_count: bool
) -> None:
    replace(settings, '{name: "VIP customers"}', f"{HALF_A_MILLION}, {ONE_MORE}")
    if not may_count:
        sandbox.set_permissions(off=["segment.contact.count"])
    try:
        ran = run("plan", "--json")
    finally:
        sandbox.set_permissions(on=["segment.contact.count"])
    (account,) = ran.json
    planned = {each["segment_id"]: each for each in account["segments"]}
    taken, refused = planned[HALF_A_MILLION], planned[ONE_MORE]
    assert (ran.exit_code, taken["mode"], taken["contacts"]) == (1, "full", 500_000)
    assert (taken["new"], taken["rows"], taken["problem"]) == (500_000, 500_000, None)
    assert (refused["mode"], refused["api_calls"]) == ("refused", 0)
    assert refused["problem"] == (
        f"segment {ONE_MORE} of account shop_de has 500,001 contacts, and the limit is 500,000; "
        "nothing was exported. Split it into smaller segments in Emarsys and name those in the "
        "settings"
    )
