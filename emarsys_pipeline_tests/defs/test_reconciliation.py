"""Values that somebody edits behind our back are found and healed; others are left alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.inbox import ConsentMessage, Inbox
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.builders import add_contact
from emarsys_pipeline_tests.cli.running import make_run, write_settings
from emarsys_pipeline_tests.defs.running import QUIET, run_job
from emarsys_pipeline_tests.stages.deciding import FIELD, add_field, rows, stitch
from emarsys_pipeline_tests.stages.pushing import phone_of

PEOPLE = 30


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=120) as running:
        yield running


@dataclass
class Deployment:
    """Thirty people of the sandbox, whose opt-ins have been pushed."""

    warehouse: Warehouse
    sandbox: Sandbox
    contact_ids: list[str]
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    inbox_path: Path

    def decide(self, status: str, contact_ids: list[str]) -> None:
        messages = [
            ConsentMessage(
                event_id=f"{status}-{each}",
                phone=phone_of(each),
                status=status,
                occurred_at=datetime.now(UTC),
            )
            for each in contact_ids
        ]
        with Inbox(self.inbox_path) as inbox:
            inbox.put(messages, source="webhook")

    def sync(self) -> None:
        now = datetime.now(UTC)
        key = now.replace(hour=now.hour // 12 * 12, minute=0).strftime("%Y-%m-%d-%H:%M")
        assert run_job(self.definitions, self.instance, "opt_in_sync", partition=key).success

    def reconcile(self, sample: int = 0) -> dg.ExecuteInProcessResult:
        config = {"ops": {"opt_in_drift": {"config": {"sample": sample}}}}
        result = self.definitions.resolve_job_def("opt_in_reconciliation").execute_in_process(
            instance=self.instance, run_config={**QUIET, **config}
        )
        assert result.success
        return result

    def held(self) -> dict[str, str | None]:
        values = self.sandbox.field_values(FIELD)
        return {each: values[each] for each in self.contact_ids}


@pytest.fixture
def deployment(
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    instance: dg.DagsterInstance,
) -> Deployment:
    settings = load_settings(write_settings(tmp_path, sandbox, monkeypatch))
    warehouse = Warehouse(settings.warehouse_directory, publish_interval_seconds=0)
    warehouse.migrate()
    contact_ids = sorted(sandbox.field_values(FIELD))[:PEOPLE]
    sandbox.import_silently({each: {FIELD: ""} for each in contact_ids})
    add_field(warehouse)
    with warehouse.write() as connection:
        for each in contact_ids:
            add_contact(connection, each, phones=[phone_of(each)])
    stitch(warehouse)
    made = Deployment(
        warehouse,
        sandbox,
        contact_ids,
        build_definitions(settings),
        instance,
        settings.inbox_path,
    )
    made.decide("granted", contact_ids)
    made.sync()
    assert set(made.held().values()) == {"granted"}
    return made


def _metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("opt_in_drift")
    names = ("contacts", "drifted", "repairs", "open_deliveries", "missing", "requests")
    return {name: event.metadata[name].value for name in names}


def test_values_edited_behind_our_back_are_found_and_healed(deployment: Deployment) -> None:
    edited = dict.fromkeys(deployment.contact_ids[:3], "withdrawn")
    emptied = {deployment.contact_ids[3]: ""}
    deployment.sandbox.import_silently(
        {each: {FIELD: value} for each, value in {**edited, **emptied}.items()}
    )

    drill = deployment.reconcile()

    assert _metadata(drill) == {
        "contacts": PEOPLE,
        "drifted": 4,
        "repairs": 4,
        "open_deliveries": 0,
        "missing": 0,
        "requests": 1,
    }
    (check,) = drill.get_asset_check_evaluations()[:1]
    assert (check.check_name, check.passed) == ("emarsys_shows_the_ledger", False)
    assert set(deployment.held().values()) == {"granted"}
    deployment.warehouse.publish_pending(at_once=True)
    with deployment.warehouse.read_published(schema="main") as connection:
        drift = connection.execute(
            "select contact_id, expected, found, repaired_at > found_at from opt_in_drift"
            " order by contact_id"
        ).fetchall()
    assert drift == [
        *((each, "granted", value, True) for each, value in edited.items()),
        (deployment.contact_ids[3], "granted", None, True),
    ]
    assert rows(
        deployment.warehouse,
        "select reason, outcome, count(*) from opt_in_deliveries group by all order by all",
    ) == [("granted", "accepted", PEOPLE), ("reconciled", "accepted", 4)]

    again = deployment.reconcile()

    assert _metadata(again)["drifted"] == 0
    assert again.get_asset_check_evaluations()[0].passed


def test_a_contact_whose_value_is_on_its_way_has_not_drifted(deployment: Deployment) -> None:
    refused, waiting = deployment.contact_ids[:2]
    deployment.sandbox.set_fault("forbidden", "PUT contact", times=None)
    deployment.decide("withdrawn", [refused, waiting])
    now = datetime.now(UTC)
    key = now.replace(hour=now.hour // 12 * 12, minute=0).strftime("%Y-%m-%d-%H:%M")
    run_job(deployment.definitions, deployment.instance, "opt_in_sync", partition=key)
    deployment.sandbox.clear_faults()
    assert deployment.held()[waiting] == "granted"

    result = deployment.reconcile()

    found = _metadata(result)
    assert (found["drifted"], found["open_deliveries"]) == (0, 2)
    assert rows(deployment.warehouse, "select count(*) from opt_in_drift") == [(0,)]


def test_samples_take_turns_until_all_were_read(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = deployment.contact_ids[7]
    deployment.sandbox.import_silently({victim: {FIELD: "withdrawn"}})
    run = make_run(capsys, monkeypatch)

    found = [run("opt-in", "reconcile", "--sample", "10", "--json").json for _ in range(3)]

    assert [each["shop_de"]["contacts"] for each in found] == [10, 10, 10]
    assert sum(each["shop_de"]["drifted"] for each in found) == 1
    assert rows(
        deployment.warehouse,
        "select contact_id, new_value, reason from opt_in_deltas where reason = 'reconciled'",
    ) == [(victim, "granted", "reconciled")]
    assert rows(
        deployment.warehouse, "select count(*), count(distinct requested_at) from opt_in_readings"
    ) == [(PEOPLE, 3)]
