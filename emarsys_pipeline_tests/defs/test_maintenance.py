"""The maintenance job and its schedule, with a file and with a lake."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from emarsys_pipeline import storage
from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.defs.resources import build_resources
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.warehouse.lake_instance import detach_all
from emarsys_pipeline_tests.defs.conftest import MakeSettings
from emarsys_pipeline_tests.defs.running import run_job
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs

MORNING = datetime(2026, 11, 23, 4, 45, tzinfo=UTC)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    # Evaluating a schedule needs an instance that lies on disk.
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as local:
        yield local


@pytest.fixture
def lake_settings(
    make_settings: MakeSettings,
    postgresql_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Settings]:
    monkeypatch.setenv("TEST_CATALOG", postgresql_database)
    settings = make_settings(
        lake={"catalog": "${TEST_CATALOG}", "schema": "kept", "data_path": f"{tmp_path}/lake/"},
        # A moment: everything but the newest state is old.
        maintenance={"keep_snapshots_days": 1e-9},
    )
    storage.deploy(settings)
    yield settings
    detach_all()


def metadata_of(settings: Settings, instance: dg.DagsterInstance) -> dict[str, object]:
    result = run_job(build_definitions(settings), instance, "maintenance")
    assert result.success
    (output,) = [each for each in result.all_events if each.event_type_value == "STEP_OUTPUT"]
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


def tick(settings: Settings, instance: dg.DagsterInstance) -> tuple[int, str | None]:
    schedule = build_definitions(settings).resolve_schedule_def("maintenance_schedule")
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=MORNING,
        resources={"warehouse": build_resources(settings)["warehouse"]},
    ) as context:
        data = schedule.evaluate_tick(context)
    return len(data.run_requests or []), data.skip_message


def test_a_file_is_left_alone(settings: Settings, instance: dg.DagsterInstance) -> None:
    said = "Nothing to do: the warehouse is one file, which keeps no old states."
    assert tick(settings, instance) == (0, said)
    assert metadata_of(settings, instance) == {"summary": said}


@needs(POSTGRESQL)
def test_a_lake_is_maintained_and_the_run_says_what_was_done(
    lake_settings: Settings, instance: dg.DagsterInstance
) -> None:
    warehouse = storage.open_warehouse(lake_settings)
    for _ in range(3):
        with warehouse.write() as connection:
            connection.execute("create or replace table numbers as from range(1000)")

    assert tick(lake_settings, instance) == (1, None)
    metadata = metadata_of(lake_settings, instance)

    assert set(metadata) == {
        *("summary", "files_before", "files_after", "bytes_before", "bytes_after"),
        *("snapshots_expired", "files_merged", "files_removed", "orphans_removed"),
    }
    # The migration's two, the three commits; the newest is what the job itself has written last.
    assert metadata["snapshots_expired"] == 5
    assert "| states that can be read | 5 | 1 |" in str(metadata["summary"])
