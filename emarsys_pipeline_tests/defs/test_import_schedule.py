from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline_tests.defs.conftest import MakeSettings

TICK = datetime(2026, 11, 23, 12, 5, tzinfo=UTC)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    # Evaluating a schedule needs an instance that lies on disk.
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as local:
        yield local


def _tick(
    definitions: dg.Definitions, instance: dg.DagsterInstance, moment: datetime = TICK
) -> tuple[list[tuple[str | None, dict[str, str]]], str | None]:
    schedule = definitions.resolve_schedule_def("segment_import_schedule")
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=moment) as context:
        data = schedule.evaluate_tick(context)
    requests = [
        (
            request.run_key,
            {key: value for key, value in request.tags.items() if "range" in key},
        )
        for request in data.run_requests or []
    ]
    return requests, data.skip_message


def test_one_run_imports_all_segments_of_the_window_that_has_just_ended(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    instance.add_dynamic_partitions("emarsys_segment", ["shop_de-3", "shop_de-1", "shop_at-2"])

    assert _tick(definitions, instance) == (
        [
            (
                "import-2026-11-23-00:00",
                {
                    "dagster/asset_partition_range_start": "shop_de-3|2026-11-23-00:00",
                    "dagster/asset_partition_range_end": "shop_at-2|2026-11-23-00:00",
                },
            )
        ],
        None,
    )


def test_each_account_has_its_own_runs_where_workers_share_them(
    make_settings: MakeSettings, instance: dg.DagsterInstance
) -> None:
    """A segment that was added later stands behind those of other accounts: a run of its own."""
    definitions = build_definitions(make_settings(imports={"runs_per": "account"}))
    known = ["shop_de-3", "shop_de-1", "shop_at-2", "shop_de-4"]
    instance.add_dynamic_partitions("emarsys_segment", known)

    requests, _ = _tick(definitions, instance)

    window = "2026-11-23-00:00"
    assert [(key, *tags.values()) for key, tags in requests] == [
        (f"import-{window}-shop_de-3", f"shop_de-3|{window}", f"shop_de-1|{window}"),
        (f"import-{window}-shop_at-2", f"shop_at-2|{window}", f"shop_at-2|{window}"),
        (f"import-{window}-shop_de-4", f"shop_de-4|{window}", f"shop_de-4|{window}"),
    ]


def test_without_segments_a_tick_says_where_they_come_from(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    requests, reason = _tick(definitions, instance)

    assert requests == []
    assert reason is not None
    assert "Configure segments in the settings file" in reason


def test_before_the_first_window_has_ended_nothing_is_imported(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    instance.add_dynamic_partitions("emarsys_segment", ["shop_de-1"])

    requests, reason = _tick(definitions, instance, datetime(2026, 11, 1, 0, 5, tzinfo=UTC))

    assert requests == []
    assert reason == "No window has ended yet: nothing to import."
