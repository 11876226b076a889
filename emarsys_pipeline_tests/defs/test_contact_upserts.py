"""Persons on their way to the messaging side, through the real Dagster and to the sandbox."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.defs.contact_upserts import sensor
from emarsys_pipeline.defs.partitions import import_range_tags
from emarsys_pipeline.inbox import ContactMessage, Inbox
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline.windows import Window
from emarsys_pipeline_tests.defs.conftest import MakeSettings
from emarsys_pipeline_tests.defs.running import failure_of, run_assets, run_job

NEWSLETTER = "shop_de-100400101"
PUSH = "contact_upsert_push"
NOTHING_TO_SEND = "Nothing to do: the messaging platform knows every golden record."


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=300) as running:
        yield running


@pytest.fixture
def settings(
    make_settings: MakeSettings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    monkeypatch.setenv("TEST_MESSAGING_KEY", sandbox.platform_key)
    start = (datetime.now(UTC) - timedelta(days=2)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    made = make_settings(
        account={"base_url": sandbox.url, "segments": [100400101]},
        windows={"start": start},
        imports={"export_poll_seconds": 0.05},
        publish={"min_interval_seconds": 0},
        messaging={
            "hand_over": {"folder": "out"},
            "http": {
                "url": sandbox.platform_url,
                "secret": "${TEST_MESSAGING_KEY}",
                "settle_after_seconds": 0,
                "retry_base_seconds": 3600,
            },
        },
    )
    monkeypatch.setenv("TEST_EMARSYS_USERNAME", sandbox.username)
    monkeypatch.setenv("TEST_EMARSYS_SECRET", sandbox.secret)
    return made


def _summary(result: dg.ExecuteInProcessResult, asset: str) -> str:
    (event,) = result.asset_materializations_for_node(asset)
    return str(event.metadata["summary"].value).splitlines()[0]


def _rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with Warehouse(settings.home).read() as connection:
        return connection.execute(query).fetchall()


def _import(
    definitions: dg.Definitions, instance: dg.DagsterInstance, settings: Settings
) -> Window:
    window = settings.windows.grid.newest_closed(datetime.now(UTC))
    assert window is not None
    instance.add_dynamic_partitions("emarsys_segment", [NEWSLETTER])
    tags = import_range_tags([NEWSLETTER], window)
    assert run_job(definitions, instance, "segment_import", tags=tags).success
    assets = ["stitched_identities", "contact_upserts"]
    assert run_assets(definitions, instance, assets, window.key).success
    return window


def _take_platform_contacts(settings: Settings, sandbox: Sandbox, window: Window) -> None:
    """What webhooks tell of all contacts of the platform, our own upserts' effects among them."""
    with Inbox(settings.inbox_path) as inbox:
        inbox.put(
            [
                ContactMessage(
                    event_id=f"{row['platform_contact_id']} {row['updated_at']}",
                    platform_contact_id=row["platform_contact_id"],
                    phone=row["phone"],
                    email=row["email"],
                    first_name=row["first_name"],
                    last_name=row["last_name"],
                    updated_at=datetime.fromisoformat(row["updated_at"]),
                )
                for row in sandbox.platform_contacts()
            ],
            source="webhook",
            received_at=window.start + timedelta(minutes=1),
        )


def _assert_platform_holds_the_golden_records(settings: Settings, sandbox: Sandbox) -> int:
    golden = _rows(
        settings,
        "select identity_id, phone_numbers, email_addresses, first_name from identities"
        " where emarsys_contacts > 0 order by identity_id",
    )
    profiles = sandbox.platform_profiles()
    held = [
        (key, profiles[key]["phone_numbers"], profiles[key]["email_addresses"],
         profiles[key]["first_name"])
        for key, *_ in golden
    ]  # fmt: skip
    assert held == golden
    return len(golden)


def test_an_import_reaches_the_platform_and_what_comes_back_is_no_echo(
    settings: Settings, sandbox: Sandbox, instance: dg.DagsterInstance
) -> None:
    definitions = build_definitions(settings)
    window = _import(definitions, instance, settings)
    file = settings.home / "out" / f"contact_upserts_{window.start:%Y-%m-%dT%H%MZ}.ndjson"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    ((identities,),) = _rows(settings, "select count(*) from identities")
    assert len(lines) == identities > 20
    first_bytes = file.read_bytes()

    pushed = run_job(definitions, instance, PUSH)
    assert pushed.success
    assert _summary(pushed, "contact_upsert_pushes") == "Persons told to the messaging platform:"
    assert _assert_platform_holds_the_golden_records(settings, sandbox) == identities
    assert all("opt_in" not in json.dumps(row["body"]) for row in sandbox.platform_upserts())
    told = len(sandbox.platform_upserts())

    _take_platform_contacts(settings, sandbox, window)
    for _ in range(2):
        assert run_assets(definitions, instance, ["platform_contacts"], window.key).success
        assets = ["stitched_identities", "contact_upserts"]
        assert run_assets(definitions, instance, assets, window.key).success
        run_job(definitions, instance, PUSH)
        assert _assert_platform_holds_the_golden_records(settings, sandbox) > 20
    settled = len(sandbox.platform_upserts())
    ((linked,),) = _rows(
        settings, "select count(*) from identities where emarsys_contacts * platform_contacts > 0"
    )
    assert linked > 20
    # Names and numbers that the platform had before are news, once; what we told it is none.
    assert settled < told + linked
    _take_platform_contacts(settings, sandbox, window)
    run_assets(definitions, instance, ["platform_contacts"], window.key)
    quiet = run_assets(definitions, instance, assets, window.key)
    assert _summary(quiet, "contact_upserts") == (
        "Nothing to do: the messaging side is told of every golden record as it is."
    )
    assert _summary(run_job(definitions, instance, PUSH), "contact_upsert_pushes") == (
        NOTHING_TO_SEND
    )
    assert len(sandbox.platform_upserts()) == settled
    assert file.read_bytes() != first_bytes
    repeated = file.read_bytes()
    run_assets(definitions, instance, ["contact_upserts"], window.key)
    assert file.read_bytes() == repeated


def test_the_sensor_asks_for_a_drain_when_something_is_due_and_waits_after_a_failure(
    settings: Settings, sandbox: Sandbox, instance: dg.DagsterInstance
) -> None:
    definitions = build_definitions(settings)
    http = settings.messaging.http
    assert http is not None
    store = Warehouse(settings.home, publish_interval_seconds=0)

    def look(hours: float = 0) -> dg.RunRequest | dg.SkipReason:
        return sensor.evaluate(instance, store, http, datetime.now(UTC) + timedelta(hours=hours))

    assert look() == dg.SkipReason("Nothing was imported yet.")
    _import(definitions, instance, settings)
    asked = look()
    assert isinstance(asked, dg.RunRequest)
    sandbox.set_fault("unauthorized", "PUT platform/contacts", times=None)
    failed = run_job(definitions, instance, PUSH, tags=dict(asked.tags))
    text = failure_of(failed, "contact_upsert_pushes")
    assert "messaging.http.secret" in text
    assert sandbox.platform_key not in text
    assert look() == dg.SkipReason(
        "The last contact_upsert_push failed; it is repeated after a wait."
    )
    sandbox.clear_faults()
    asked = look(hours=2)
    assert isinstance(asked, dg.RunRequest)
    assert asked.tags["emarsys_pipeline/attempt"] == "2"


def test_dead_letters_fail_the_check_until_they_are_revived(
    settings: Settings, sandbox: Sandbox, instance: dg.DagsterInstance
) -> None:
    definitions = build_definitions(settings)
    _import(definitions, instance, settings)
    sandbox.set_fault("refused", "PUT platform/contacts", times=3, reply_text="too old")

    def check(result: dg.ExecuteInProcessResult) -> tuple[bool, Any]:
        (evaluation,) = result.get_asset_check_evaluations()
        return evaluation.passed, evaluation.metadata["dead_letters"].value

    assert check(run_job(definitions, instance, PUSH)) == (False, 3)
    config = {"ops": {"contact_upsert_pushes": {"config": {"revive_dead_letters": True}}}}
    revived = definitions.resolve_job_def(PUSH).execute_in_process(
        instance=instance,
        run_config={**config, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert check(revived) == (True, 0)
    _assert_platform_holds_the_golden_records(settings, sandbox)


def test_delivery_is_there_only_when_it_is_configured(
    make_settings: MakeSettings, settings: Settings
) -> None:
    def names(of: Settings) -> tuple[set[str], set[str], set[str]]:
        repository = build_definitions(of).get_repository_def()
        return (
            {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()},
            {each.name for each in repository.sensor_defs},
            {job.name for job in repository.get_all_jobs()},
        )

    off, on = names(make_settings()), names(settings)
    assert [more - less for more, less in zip(on, off, strict=True)] == [
        {"contact_upsert_pushes"},
        {"contact_upserts"},
        {PUSH},
    ]
    assert "contact_upserts" in off[0]


def test_no_file_is_written_unless_a_folder_is_named(
    make_settings: MakeSettings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    settings = make_settings()
    window = settings.windows.grid.at(settings.windows.grid.start)
    done = run_assets(build_definitions(settings), instance, ["contact_upserts"], window.key)
    assert done.success
    assert list(tmp_path.rglob("contact_upserts*")) == []


def test_definitions_with_delivery_explain_every_column_and_hide_the_key(
    settings: Settings, sandbox: Sandbox
) -> None:
    definitions = build_definitions(settings)
    dg.Definitions.validate_loadable(definitions)
    (spec,) = [
        each
        for each in definitions.resolve_all_asset_specs()
        if each.key.to_user_string() == "contact_upsert_pushes"
    ]
    warehouse = Warehouse(settings.home)
    warehouse.migrate()
    columns = {
        column.name: column.description for column in spec.metadata["dagster/column_schema"].columns
    }
    with warehouse.read() as connection:
        rows = connection.execute("describe contact_upsert_pushes").fetchall()
    assert list(columns) == [name for name, *_ in rows]
    assert all(columns.values())
    assert sandbox.platform_key not in repr(definitions.resources)
