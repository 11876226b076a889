"""Calls of Emarsys automations: from the real receiver to a subscriber of the events."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import jwt
import pytest
import requests

from emarsys_pipeline.defs.automation_events import automation_event_sensor
from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.defs.resources import build_resources
from emarsys_pipeline.inbox import Inbox, parse_message
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.automation_events import AutomationEvent, ingest_automation_events
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.builders import GRID, add_contact, add_platform_contact, window
from emarsys_pipeline_tests.defs.conftest import MakeSettings
from emarsys_pipeline_tests.defs.running import run_job
from emarsys_pipeline_tests.inbox.service import EMARSYS_SECRET, running_service
from emarsys_pipeline_tests.stages.deciding import ACCOUNT, rows, stitch

PHONE, EMAIL = "+4915100000001", "lena@example.org"


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return make_settings(
        windows={"start": start - timedelta(days=1)}, publish={"min_interval_seconds": 0}
    )


@pytest.fixture
def inbox(settings: Settings) -> Iterator[Inbox]:
    with Inbox(settings.inbox_path) as opened:
        yield opened


def call(name: str, number: int, **content: Any) -> dict[str, Any]:
    return {"event_name": name, "deduplication_id": f"d{number}", **content}


def keep(inbox: Inbox, *calls: dict[str, Any], at: datetime | None = None) -> None:
    messages = [parse_message("automation", each, account="shop_de") for each in calls]
    inbox.put(messages, source="webhook", received_at=at)


def post(url: str, *calls: dict[str, Any]) -> None:
    token = jwt.encode({"sub": "emarsys"}, EMARSYS_SECRET, algorithm="HS256")
    for each in calls:
        requests.post(
            f"{url}/webhooks/emarsys/shop_de",
            data=json.dumps(each),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
            timeout=10,
        ).raise_for_status()


class Subscriber:
    """A sensor made by the factory, ticked by hand; its cursor survives like the daemon's."""

    def __init__(self, settings: Settings, handler: Any, *, events_per_tick: int = 100) -> None:
        self.settings = settings
        self.sensor = automation_event_sensor("greet", handler, events_per_tick=events_per_tick)
        self.cursor: str | None = None

    def tick(self) -> dg.SensorResult:
        resources = build_resources(self.settings)
        with (
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(
                instance=instance, cursor=self.cursor, resources=dict(resources)
            ) as context,
        ):
            result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor or self.cursor
        return result


def tick_inbox_sensor(settings: Settings, instance: dg.DagsterInstance) -> Any:
    definitions = build_definitions(settings)
    defined = definitions.resolve_sensor_def("automation_inbox")
    with dg.build_sensor_context(
        instance=instance, definitions=definitions, resources=dict(build_resources(settings))
    ) as context:
        return defined.evaluate_tick(context)


def test_calls_to_the_receiver_reach_a_subscriber_once_and_in_order(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    store = Warehouse(settings.warehouse_directory, publish_interval_seconds=0)
    store.migrate()
    seen: list[AutomationEvent] = []
    subscriber = Subscriber(settings, seen.append)
    calls = [
        call("abandoned_cart", 1, contact_id="17", event_data={"cart": [1, 2]}),
        call("welcome", 2, phone="4915100000001"),
        call("abandoned_cart", 1, contact_id="17", event_data={"cart": [1, 2]}),
    ]
    with running_service(settings.inbox_path) as service:
        post(service.url, *calls)
    definitions = build_definitions(settings)

    (request,) = tick_inbox_sensor(settings, instance).run_requests
    first = run_job(definitions, instance, "automation_ingest", partition=request.partition_key)
    assert first.success
    assert tick_inbox_sensor(settings, instance).run_requests == []
    subscriber.tick()
    again = run_job(definitions, instance, "automation_ingest", partition=request.partition_key)
    subscriber.tick()

    assert again.success
    assert [(e.event_name, e.message_id, e.payload) for e in seen] == [
        ("abandoned_cart", "shop_de/d1", calls[0]),
        ("welcome", "shop_de/d2", calls[1]),
    ]
    (event,) = again.asset_materializations_for_node("automation_events")
    assert event.metadata["added"].value == 0


def test_events_are_linked_by_whatever_the_call_names(warehouse: Warehouse, inbox: Inbox) -> None:
    with warehouse.write() as connection:
        add_contact(connection, "17", phones=[PHONE])
        add_platform_contact(connection, "p-9", email=EMAIL)
    stitch(warehouse)
    ((emarsys,), (platform,)) = rows(
        warehouse, "select identity_id from identity_members order by source"
    )
    keep(
        inbox,
        call("a", 1, contact_id=17),
        call("b", 2, external_reference_id="17"),
        call("c", 3, external_reference_id="p-9"),
        call("d", 4, phone="01510 0000001"),
        call("e", 5, email="Lena@Example.org "),
        call("f", 6, contact_id="99"),
        {"list_id": "5", "resource_id": "node", "deduplication_id": "d7"},
        at=window(1).start,
    )

    ingest_automation_events(warehouse, inbox, window(1), grid=GRID, accounts=[ACCOUNT])

    assert rows(
        warehouse,
        "select event_name, identity_id, resolved_by, contact_list_id"
        " from resolved_automation_events order by inbox_sequence",
    ) == [
        ("a", emarsys, "emarsys contact", None),
        ("b", emarsys, "emarsys contact", None),
        ("c", platform, "platform contact", None),
        ("d", emarsys, "phone", None),
        ("e", platform, "email", None),
        ("f", None, None, None),
        ("node", None, None, "5"),
    ]


def test_a_later_window_first_takes_in_what_an_earlier_one_left(
    warehouse: Warehouse, inbox: Inbox
) -> None:
    """Else a subscriber that remembers its position would never see the earlier call."""
    keep(inbox, call("early", 1, event_time="2026-01-01T10:00:00+01:00"), at=window(0).start)
    keep(inbox, call("late", 2, event_time="2026-01-01 13:00:00"), at=window(1).start)
    keep(inbox, call("next", 3), at=window(2).start)

    for number in (1, 0, 1):
        ingest_automation_events(warehouse, inbox, window(number), grid=GRID, accounts=[ACCOUNT])

    assert rows(
        warehouse,
        "select window_start, event_name, occurred_at from automation_events"
        " order by inbox_sequence",
    ) == [
        (window(0).start, "early", datetime(2026, 1, 1, 9, tzinfo=UTC)),
        (window(1).start, "late", window(1).start),
    ]


def test_a_handler_that_fails_gets_its_event_again_and_later_ones_wait(
    settings: Settings, inbox: Inbox
) -> None:
    store = Warehouse(settings.warehouse_directory, publish_interval_seconds=0)
    store.migrate()
    keep(inbox, *(call(f"e{number}", number) for number in range(1, 6)), at=window(0).start)
    ingest_automation_events(store, inbox, window(0), grid=GRID, accounts=[ACCOUNT])
    tried: list[str | None] = []
    failures = ["e3", "e3"]

    def handler(event: AutomationEvent) -> dg.RunRequest:
        tried.append(event.event_name)
        if event.event_name in failures:
            failures.remove(event.event_name)
            raise RuntimeError("the shop is closed")
        return dg.RunRequest(run_key=event.message_id)

    subscriber = Subscriber(settings, handler, events_per_tick=4)
    first = subscriber.tick()
    with pytest.raises(RuntimeError, match="closed"):
        subscriber.tick()
    second, third, fourth = subscriber.tick(), subscriber.tick(), subscriber.tick()

    assert tried == ["e1", "e2", "e3", "e3", "e3", "e4", "e5"]
    assert [
        [request.run_key for request in tick.run_requests or []]
        for tick in (first, second, third, fourth)
    ] == [["shop_de/d1", "shop_de/d2"], ["shop_de/d3", "shop_de/d4", "shop_de/d5"], [], []]


def test_an_asset_sensor_can_hang_on_the_asset(definitions: dg.Definitions) -> None:
    @dg.asset_sensor(asset_key=dg.AssetKey("automation_events"), job_name="opt_in_push")
    def on_calls() -> None: ...

    merged = dg.Definitions.merge(definitions, dg.Definitions(sensors=[on_calls]))

    dg.Definitions.validate_loadable(merged)
