from datetime import timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
import yaml

from emarsys_pipeline.definitions import defs
from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline.warehouse.analysts_views import analysts_views
from emarsys_pipeline_tests.defs.conftest import MakeSettings

ROOT = Path(__file__).parents[2]

ASSETS = {
    "raw_segment_exports": {"emarsys", "duckdb"},
    "mapped_contacts": {"duckdb", "sql"},
    "platform_contacts": {"duckdb", "sql"},
    "consent_events": {"duckdb", "sql"},
    "automation_events": {"duckdb", "sql"},
    "stitched_identities": {"duckdb", "sql", "python"},
    "opt_in_deltas": {"duckdb", "sql"},
    "opt_in_drift": {"emarsys", "duckdb"},
    "opt_in_pushes": {"emarsys", "duckdb"},
    "contact_upserts": {"duckdb", "sql"},
}


GROUPS = {"emarsys_import", "messaging_platform", "identities", "opt_in", "analytics"}
LAYERS = {"raw", "mapped", "stitched", "outbox", "published"}
VIEWS = analysts_views({"first_name": "varchar", "email": "varchar", "mobile": "varchar"})
OWNERS = ["team:data-engineering"]


def _all_specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def _specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    """The assets that are tables; the views of them are tested apart."""
    return {
        name: spec
        for name, spec in _all_specs(definitions).items()
        if not name.startswith("analytics/")
    }


def test_the_packaged_definitions_load_without_network_or_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMARSYS_PIPELINE_CONFIG", raising=False)

    dg.Definitions.validate_loadable(defs())

    assert list(tmp_path.iterdir()) == []


def test_the_workspace_names_the_module_that_holds_the_definitions() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())

    assert workspace == {
        "load_from": [
            {
                "python_module": {
                    "module_name": "emarsys_pipeline.definitions",
                    "location_name": "emarsys_pipeline",
                }
            }
        ]
    }


def test_the_assets_form_the_designed_graph(definitions: dg.Definitions) -> None:
    graph = {
        name: {dep.asset_key.to_user_string() for dep in spec.deps}
        for name, spec in _specs(definitions).items()
    }

    assert graph == {
        "raw_segment_exports": set(),
        "mapped_contacts": {"raw_segment_exports"},
        "platform_contacts": set(),
        "consent_events": set(),
        "automation_events": set(),
        "stitched_identities": {"mapped_contacts", "platform_contacts"},
        "opt_in_deltas": {"stitched_identities", "consent_events"},
        "opt_in_drift": {"consent_events", "stitched_identities"},
        "opt_in_pushes": {"opt_in_deltas", "opt_in_drift"},
        "contact_upserts": {"stitched_identities"},
    }


def test_every_asset_says_what_it_is(definitions: dg.Definitions) -> None:
    for name, spec in _all_specs(definitions).items():
        assert spec.description, name
        assert spec.description.startswith("One row per"), name
        assert list(spec.owners) == OWNERS, name
        assert spec.kinds == ASSETS.get(name, {"duckdb", "view"}), name
        assert spec.group_name in GROUPS, name
        assert spec.tags["layer"] in LAYERS, name


def test_assets_carry_the_accounts_that_their_rows_speak_of(definitions: dg.Definitions) -> None:
    without = {
        name
        for name, spec in _all_specs(definitions).items()
        if spec.tags.get("account/shop_de") != ""
    }

    assert without == {"platform_contacts", "consent_events"}


def test_the_analysts_views_are_assets_with_their_own_columns(definitions: dg.Definitions) -> None:
    shown = {
        name.removeprefix("analytics/"): (
            spec.description.partition(".\n\n")[0] if spec.description else "",
            {
                column.name: (column.type, column.description.partition(". From Emarsys")[0])
                for column in spec.metadata["dagster/column_schema"].columns
            },
        )
        for name, spec in _all_specs(definitions).items()
        if name.startswith("analytics/")
    }

    assert shown == {
        name: (
            view.comment,
            {
                column: (kind.replace("timestamp with time zone", "timestamptz"), comment)
                for column, (kind, comment) in view.columns.items()
            },
        )
        for name, view in VIEWS.items()
    }


def test_only_what_comes_with_each_window_can_be_late(definitions: dg.Definitions) -> None:
    policies = {
        name: spec.freshness_policy
        for name, spec in _all_specs(definitions).items()
        if spec.freshness_policy is not None
    }

    assert policies == dict.fromkeys(
        (
            *("raw_segment_exports", "mapped_contacts", "stitched_identities"),
            *("opt_in_deltas", "contact_upserts"),
        ),
        # The windows of twelve hours end at 0:00 and 12:00, and their import has an hour.
        dg.FreshnessPolicy.cron("59 0,12 * * *", lower_bound_delta=timedelta(minutes=59)),
    )


def test_every_job_schedule_and_sensor_has_an_owner(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    # Dagster has no owners for its automation condition sensors.
    sensors = [each for each in repository.sensor_defs if each.name != "stage_automation"]
    owned = {
        **{job.name: list(job.owners or ()) for job in jobs},
        **{schedule.name: list(schedule.owners or ()) for schedule in repository.schedule_defs},
        **{sensor.name: list(sensor.owners or ()) for sensor in sensors},
    }

    assert {name: owners for name, owners in owned.items() if owners != OWNERS} == {}


def test_every_resource_is_described(definitions: dg.Definitions) -> None:
    resources = definitions.get_repository_def().get_top_level_resources()

    assert {name: bool(each.description) for name, each in resources.items()} == {
        "emarsys": True,
        "inbox": True,
        "warehouse": True,
    }


def test_everything_that_runs_by_itself_is_described_and_on(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    jobs = {job.name: job for job in repository.get_all_jobs() if not job.name.startswith("__")}

    assert {name: bool(job.description) for name, job in jobs.items()} == {
        "segment_import": True,
        "segment_reconciliation": True,
        "account_ready": True,
        "opt_in_sync": True,
        "opt_in_push": True,
        "automation_ingest": True,
        "opt_in_reconciliation": True,
        "retention": True,
        "maintenance": True,
        "get_contact": True,
        "get_contact_with_labels": True,
        "update_contact": True,
        "list_fields": True,
        "list_single_choices": True,
        "list_multi_choices": True,
        "trigger_event": True,
    }
    assert {
        sensor.name: (bool(sensor.description), sensor.default_status)
        for sensor in repository.sensor_defs
    } == {
        "segment_catalogue": (True, dg.DefaultSensorStatus.RUNNING),
        "opt_in": (True, dg.DefaultSensorStatus.RUNNING),
        "automation_inbox": (True, dg.DefaultSensorStatus.RUNNING),
        "stage_automation": (True, dg.DefaultSensorStatus.RUNNING),
        "alerts": (True, dg.DefaultSensorStatus.RUNNING),
    }
    assert {
        schedule.name: (bool(schedule.description), schedule.default_status)
        for schedule in repository.schedule_defs
    } == {
        "segment_import_schedule": (True, dg.DefaultScheduleStatus.RUNNING),
        "opt_in_reconciliation_schedule": (True, dg.DefaultScheduleStatus.RUNNING),
        "retention_schedule": (True, dg.DefaultScheduleStatus.RUNNING),
        "maintenance_schedule": (True, dg.DefaultScheduleStatus.RUNNING),
    }


def test_every_check_is_described_and_blocks_only_where_damage_would_spread(
    definitions: dg.Definitions,
) -> None:
    repository = definitions.get_repository_def()
    checks = {
        key.to_user_string(): repository.asset_graph.get(key)
        for key in repository.asset_graph.asset_check_keys
    }

    assert all(check.description for check in checks.values())
    assert {name: check.blocking for name, check in checks.items()} == {
        "raw_segment_exports:newest_window_landed": False,
        "raw_segment_exports:account_ready": False,
        "mapped_contacts:rows_accounted_for": True,
        "mapped_contacts:one_row_per_contact": True,
        "mapped_contacts:identifiers_filled": False,
        "mapped_contacts:phones_readable": False,
        "raw_segment_exports:count_within_tolerance": False,
        "raw_segment_exports:delivery_plausible": False,
        "consent_events:statuses_understood": False,
        "stitched_identities:every_segment_landed": False,
        "stitched_identities:merges_as_usual": False,
        "stitched_identities:nothing_missed": False,
        "stitched_identities:one_identity_per_contact": True,
        "stitched_identities:largest_identity_within_cap": False,
        "opt_in_deltas:one_row_per_delta": True,
        "opt_in_drift:emarsys_shows_the_ledger": False,
        "opt_in_pushes:no_dead_letters": False,
        "contact_upserts:one_row_per_upsert": True,
    }


def test_windows_last_twelve_hours_in_utc_unless_set_otherwise(
    definitions: dg.Definitions,
) -> None:
    closed = _specs(definitions)["stitched_identities"].partitions_def
    opened = _specs(definitions)["opt_in_deltas"].partitions_def
    schedule = definitions.resolve_schedule_def("segment_import_schedule")

    assert isinstance(closed, dg.TimeWindowPartitionsDefinition)
    assert isinstance(opened, dg.TimeWindowPartitionsDefinition)
    assert (closed.cron_schedule, closed.fmt, closed.timezone, closed.end_offset) == (
        "0 0,12 * * *",
        "%Y-%m-%d-%H:%M",
        "UTC",
        0,
    )
    assert opened.end_offset == 1
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("5 0,12 * * *", "UTC")


def test_shorter_windows_are_scheduled_as_often_as_they_end(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(
        windows={
            "start": "2026-11-01T00:00:00Z",
            "length_minutes": 20,
            "delay_minutes": 1,
        }
    )
    definitions = build_definitions(settings)

    schedule = definitions.resolve_schedule_def("segment_import_schedule")

    assert schedule.cron_schedule == "1,21,41 * * * *"


def test_the_shown_columns_are_those_of_the_tables(
    definitions: dg.Definitions, settings: Settings, tmp_path: Path
) -> None:
    warehouse = Warehouse(tmp_path / "warehouse")
    warehouse.migrate()
    with warehouse.read() as connection:
        tables = {name: _columns(connection, name) for name in ASSETS}
    for name, data_type in settings.property_types.items():
        tables["mapped_contacts"][name] = data_type

    shown = {
        name: {
            column.name: column.type for column in spec.metadata["dagster/column_schema"].columns
        }
        for name, spec in _specs(definitions).items()
    }

    assert shown == tables


def test_every_shown_column_is_explained(definitions: dg.Definitions) -> None:
    unexplained = [
        f"{name}.{column.name}"
        for name, spec in _all_specs(definitions).items()
        for column in spec.metadata["dagster/column_schema"].columns
        if not column.description
    ]

    assert unexplained == []


def test_the_shown_resources_hold_no_secret(definitions: dg.Definitions) -> None:
    shown = repr(definitions.resources)

    assert "TEST_EMARSYS_SECRET" in shown
    assert "test-secret" not in shown


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows = connection.execute(
        "select column_name, lower(data_type) from duckdb_columns()"
        " where table_name = $table and schema_name = 'main' and database_name ="
        " current_database()",
        {"table": table},
    ).fetchall()
    return {
        name: data_type.replace("timestamp with time zone", "timestamptz")
        for name, data_type in rows
    }
