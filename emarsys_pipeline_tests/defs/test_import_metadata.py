"""What the imported partitions tell of themselves, with the real stages and the sandbox."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.defs.partitions import import_range_tags, multi_key
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.windows import Window
from emarsys_pipeline_tests.defs.conftest import MakeSettings
from emarsys_pipeline_tests.defs.running import run_job

SEGMENTS = ["shop_de-100400101", "shop_de-100400102"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=300) as running:
        yield running


@pytest.fixture
def settings(
    make_settings: MakeSettings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    monkeypatch.setenv("TEST_EMARSYS_USERNAME", sandbox.username)
    monkeypatch.setenv("TEST_EMARSYS_SECRET", sandbox.secret)
    return make_settings(
        account={"base_url": sandbox.url, "segments": [100400101, 100400102]},
        windows={
            "start": datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            - timedelta(days=2)
        },
        imports={"export_poll_seconds": 0.02},
    )


@pytest.fixture
def windows(settings: Settings) -> tuple[Window, Window]:
    grid = settings.windows.grid
    newest = grid.newest_closed(datetime.now(UTC))
    assert newest is not None
    return grid.at(newest.start - grid.length), newest


def land(
    settings: Settings, instance: dg.DagsterInstance, window: Window
) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("emarsys_segment", SEGMENTS)
    tags = import_range_tags(SEGMENTS, window)
    return run_job(build_definitions(settings), instance, "segment_import", tags=tags)


def metadata(instance: dg.DagsterInstance, asset: str, window: Window) -> list[dict[str, Any]]:
    """What the partitions of a window tell, one per segment."""
    shown = {}
    for record in instance.fetch_materializations(dg.AssetKey(asset), limit=50).records:
        event = record.asset_materialization
        assert event is not None
        shown[event.partition] = {name: value.value for name, value in event.metadata.items()}
    return [shown[multi_key(segment, window.key)] for segment in SEGMENTS]


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {each.check_name: each for each in result.get_asset_check_evaluations()}


def test_calls_and_bytes_add_up_to_what_emarsys_received(
    settings: Settings,
    instance: dg.DagsterInstance,
    sandbox: Sandbox,
    windows: tuple[Window, Window],
) -> None:
    sandbox.switch(export_delay_seconds=0.2)
    for window in windows:
        before = max((each["sequence"] for each in sandbox.requests()), default=0)
        assert land(settings, instance, window).success
        seen = [each["path"] for each in sandbox.requests(after=before)]
        told = metadata(instance, "raw_segment_exports", window)
        assert len({each["shared_api_calls"] for each in told}) == 1
        own = sum(each["api_calls"] for each in told)
        assert own + told[0]["shared_api_calls"] == len(seen), seen
        assert sum("export/" in path and not path.endswith("data") for path in seen) > 1
        assert all(each["counted_by_emarsys"] == each["members"] for each in told)
        assert all(each["seconds"] > 0 and each["export_ids"] for each in told)
        sandbox.advance("12h")
    assert [each["mode"] for each in told] == ["changes", "changes"]
    assert all(each["bytes_downloaded"] == 0 for each in told)
    assert told[0]["shared_bytes_downloaded"] == told[1]["shared_bytes_downloaded"] > 100


def test_columns_name_the_field_behind_them_and_where_they_go(
    settings: Settings, instance: dg.DagsterInstance, windows: tuple[Window, Window]
) -> None:
    result = land(settings, instance, windows[1])
    (raw, _) = metadata(instance, "raw_segment_exports", windows[1])
    (mapped, _) = metadata(instance, "mapped_contacts", windows[1])
    described = {each.name: each.description for each in raw["dagster/column_schema"].columns}
    assert described["contact_id"] == "Internal Emarsys contact id"
    assert described["field_3"] == (
        'As Emarsys wrote it: field 3 "Email" (email), longtext of shop_de'
    )
    assert [name for name in described if name.startswith("field_")] == [
        *("field_1", "field_3", "field_14", "field_37", "field_10500"),
    ]
    described = {each.name: each.description for each in mapped["dagster/column_schema"].columns}
    assert described["mobile"] == (
        'Emarsys field 37 "Mobile" (mobile), shorttext of shop_de, identifies by phone'
    )
    lineage = mapped["dagster/column_lineage"].deps_by_column
    sources = {name: [dep.column_name for dep in deps] for name, deps in lineage.items()}
    assert sources["first_name"] == ["field_1"]
    assert sources["mobile"] == ["field_37"]
    assert sources["phone_numbers"] == ["field_14", "field_37"]
    assert sources["email_addresses"] == ["field_3"]
    assert sources["contact_id"] == ["contact_id"]
    assert {dep.asset_key.to_user_string() for deps in lineage.values() for dep in deps} == {
        "raw_segment_exports"
    }
    assert {"new", "changed", "left", "rejected_values", "top_changed_fields"} <= mapped.keys()
    assert all(each.passed for each in checks(result).values())


def test_a_segment_that_shrank_fails_its_check_and_writes_nothing(
    settings: Settings,
    instance: dg.DagsterInstance,
    sandbox: Sandbox,
    windows: tuple[Window, Window],
) -> None:
    land(settings, instance, windows[0])
    members = sorted(sandbox.field_values("1"))
    sandbox.move_members("100400102", remove=members)
    try:
        result = land(settings, instance, windows[1])
    finally:
        sandbox.move_members("100400102", add=members[:40])
    assert not result.success
    failed = checks(result)["delivery_plausible"]
    stopped = multi_key(SEGMENTS[1], windows[1].key)
    assert not failed.passed
    assert failed.description == f"Stopped, and nothing written: {stopped}."
    assert "imports.shrink_tolerance" in str(failed.metadata["stopped"].value)
    landed = instance.get_materialized_partitions(dg.AssetKey("mapped_contacts"))
    assert stopped not in landed
    assert multi_key(SEGMENTS[0], windows[1].key) in landed


def test_too_many_unreadable_numbers_fail_their_check(
    settings: Settings,
    instance: dg.DagsterInstance,
    windows: tuple[Window, Window],
) -> None:
    """The sandbox has some of them; the limit is what differs."""
    imports = settings.imports.model_copy(update={"max_unreadable_phone_share": 0.0})
    result = land(settings.model_copy(update={"imports": imports}), instance, windows[1])
    found = checks(result)["phones_readable"]
    assert result.success
    assert not found.passed
    assert found.description is not None
    assert "Contacts without a valid number: " in found.description


def test_a_picture_shows_how_each_segment_grew(
    settings: Settings, instance: dg.DagsterInstance, windows: tuple[Window, Window]
) -> None:
    for window in windows:
        assert land(settings, instance, window).success
    first, second = (metadata(instance, "raw_segment_exports", window)[0] for window in windows)

    assert first["growth"].startswith(
        f"![{first['members']:,} members in the first of 1 windows, {first['members']:,} now]"
        "(data:image/png;base64,"
    )
    assert second["growth"].startswith(
        f"![{first['members']:,} members in the first of 2 windows, {second['members']:,} now]"
    )
