"""Lists of legacy automation calls: read while they exist, and only where legacy nodes may call."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from emarsys_pipeline.connect import connect
from emarsys_pipeline.defs.automation_events.lists import look
from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.inbox.decoding import decode_form, decode_json
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.defs.conftest import MakeSettings
from emarsys_pipeline_tests.defs.running import failure_of, run_job

JOB = "automation_list_fetch"
GET = "GET contactlist/{id}/contactIds"
LISTS = "select account, message_id, list_id, state, members from automation_lists order by all"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=120) as running:
        yield running


@pytest.fixture
def settings(
    make_settings: MakeSettings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    monkeypatch.setenv("TEST_EMARSYS_USERNAME", sandbox.username)
    monkeypatch.setenv("TEST_EMARSYS_SECRET", sandbox.secret)
    return make_settings(
        account={"base_url": sandbox.url},
        windows={"start": datetime(2026, 1, 1, tzinfo=UTC)},
        webhooks={"emarsys_legacy_secret": "${TEST_LEGACY_SECRET}"},
    )


def receive(settings: Settings, run_id: int, **content: Any) -> None:
    """A call of a legacy node, as the webhook service keeps it."""
    form = {"environment": "suite1", "queue_id": "7", "run_id": str(run_id), **content}
    body = "&".join(f"{name}={value}" for name, value in form.items()).encode()
    with Inbox(settings.inbox_path) as inbox:
        decoded = decode_form(body, account="shop_de")
        assert inbox.put(decoded.messages, source="webhook").accepted == 1


def make_list(settings: Settings, sandbox: Sandbox, members: int) -> tuple[str, list[str]]:
    contact_ids = sorted(sandbox.field_values("3"))[:members]
    with connect(settings.accounts[0], rate_limit=settings.rate_limit_path) as client:
        list_id, errors = client.create_contact_list(
            f"run of {members}", contact_ids, key_field="id"
        )
    assert not errors
    return list_id, contact_ids


def delete_list(settings: Settings, list_id: str) -> None:
    with connect(settings.accounts[0], rate_limit=settings.rate_limit_path) as client:
        client.delete_contact_list(list_id)


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with Warehouse(settings.warehouse_directory).read() as connection:
        return connection.execute(query).fetchall()


def test_members_are_read_while_the_list_lives(
    settings: Settings, sandbox: Sandbox, instance: dg.DagsterInstance
) -> None:
    definitions = build_definitions(settings)
    (kept, members), (gone, _) = (make_list(settings, sandbox, size) for size in (5, 3))
    delete_list(settings, gone)
    receive(settings, 1, list_id=kept, user_id="")
    receive(settings, 2, user_id="700100")
    receive(settings, 3, list_id=gone)
    with Inbox(settings.inbox_path) as inbox:
        # A value of a preset that happens to be called list_id is no list of Emarsys's.
        flat = json.dumps({"email": "a@example.org", "list_id": kept}).encode()
        inbox.put(decode_json("automation", flat, account="shop_de").messages, source="webhook")

    for _ in range(2):
        assert run_job(definitions, instance, JOB).success
        assert rows(settings, LISTS) == [
            ("shop_de", "shop_de/suite1/7/1", kept, "fetched", 5),
            ("shop_de", "shop_de/suite1/7/3", gone, "gone", 0),
        ]
    assert rows(
        settings, "select message_id, contact_id from automation_list_members order by all"
    ) == [("shop_de/suite1/7/1", each) for each in members]


def test_a_list_that_cannot_be_read_now_is_read_by_a_later_run(
    settings: Settings, sandbox: Sandbox, instance: dg.DagsterInstance
) -> None:
    definitions = build_definitions(settings)
    list_id, _ = make_list(settings, sandbox, 4)
    receive(settings, 1, list_id=list_id)
    sandbox.set_fault("forbidden", GET)
    failed = run_job(definitions, instance, JOB)
    assert "shop_de did not show a list of an automation" in failure_of(failed, "automation_lists")
    assert rows(settings, LISTS) == []
    assert run_job(definitions, instance, JOB).success
    assert [row[3:] for row in rows(settings, LISTS)] == [("fetched", 4)]


def test_the_sensor_asks_once_per_call_and_again_after_a_failure(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    def tick(cursor: str | None, minutes: int = 0) -> dg.SensorResult:
        moment = datetime.now(UTC) + timedelta(minutes=minutes)
        with (
            dg.build_sensor_context(instance=instance, cursor=cursor) as context,
            Inbox(settings.inbox_path) as inbox,
        ):
            return look(context, inbox, moment)

    assert tick(None).skip_reason is not None
    receive(settings, 1, list_id="9001")
    asked = tick(None)
    assert (len(asked.run_requests or ()), asked.cursor) == (1, "1")
    assert tick(asked.cursor).skip_reason is not None
    instance.add_run(dg.DagsterRun(job_name=JOB, status=dg.DagsterRunStatus.FAILURE))
    assert len(tick(asked.cursor, minutes=2).run_requests or ()) == 1


def test_without_legacy_nodes_there_is_no_such_asset(make_settings: MakeSettings) -> None:
    graph = build_definitions(make_settings()).get_repository_def().asset_graph
    assert dg.AssetKey("automation_lists") not in graph.get_all_asset_keys()
