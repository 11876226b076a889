from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from emarsys_pipeline.defs.opt_in.sensor import LastRun, OptInTick
from emarsys_pipeline.defs.partitions import Partitions
from emarsys_pipeline.defs.resources import build_resources
from emarsys_pipeline.inbox import ConsentMessage, Inbox
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.warehouse import Warehouse

NOW = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)


@dataclass
class Sensor:
    """The sensor at a moment of the test's choice."""

    settings: Settings
    instance: dg.DagsterInstance
    inbox: Inbox
    cursor: str | None = None

    def receive(self, event_id: str, at: datetime) -> None:
        message = ConsentMessage(
            event_id=event_id, phone="+49 30 23125001", status="granted", occurred_at=at
        )
        self.inbox.put([message], source="test", received_at=at)

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.settings.warehouse_directory, publish_interval_seconds=0)

    def tick(self, now: datetime = NOW) -> dg.SensorResult:
        tick = OptInTick(
            partitions=Partitions(self.settings.windows.grid),
            pushes=self.settings.pushes,
            warehouse=self.warehouse,
            inbox=self.inbox,
        )
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            result = tick.evaluate(context, now)
        self.cursor = result.cursor
        return result

    def finish(self, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
        """Pretend that a requested run got this far."""
        assert request.job_name is not None
        self.instance.add_run(
            dg.DagsterRun(job_name=request.job_name, tags=request.tags, status=status)
        )


@pytest.fixture
def sensor(settings: Settings, instance: dg.DagsterInstance) -> Iterator[Sensor]:
    with Inbox(settings.inbox_path) as inbox:
        yield Sensor(settings, instance, inbox)


def _only(result: dg.SensorResult) -> dg.RunRequest:
    (request,) = result.run_requests or []
    return request


def _range(request: dg.RunRequest) -> dict[str, str]:
    return {key: value for key, value in request.tags.items() if "range" in key}


def _add_delta(warehouse: Warehouse) -> None:
    warehouse.migrate()
    with warehouse.write() as connection:
        connection.execute(
            "insert into opt_in_deltas values ($now, 'delta', 'shop_de', '1', 'identity', '10500',"
            " null, 'granted', 'granted', 'event', '', $now, 'run')",
            {"now": NOW},
        )


def test_the_first_tick_after_a_message_asks_for_its_window(sensor: Sensor) -> None:
    sensor.receive("one", NOW - timedelta(minutes=1))

    request = _only(sensor.tick())

    assert (request.job_name, request.partition_key, request.run_key) == (
        "opt_in_sync",
        "2026-11-23-12:00",
        "inbox-0-1-1",
    )
    assert _range(request) == {}
    assert sensor.cursor == "1"


def test_messages_on_both_sides_of_a_boundary_are_taken_in_by_one_run(sensor: Sensor) -> None:
    sensor.receive("one", datetime(2026, 11, 23, 11, 59, 50, tzinfo=UTC))
    sensor.receive("two", datetime(2026, 11, 23, 12, 0, 5, tzinfo=UTC))

    request = _only(sensor.tick(datetime(2026, 11, 23, 12, 0, 10, tzinfo=UTC)))

    assert request.partition_key is None
    assert _range(request) == {
        "dagster/asset_partition_range_start": "2026-11-23-00:00",
        "dagster/asset_partition_range_end": "2026-11-23-12:00",
    }


def test_a_message_is_asked_for_once(sensor: Sensor) -> None:
    sensor.receive("one", NOW)
    first = _only(sensor.tick())
    sensor.finish(first, dg.DagsterRunStatus.SUCCESS)

    again = sensor.tick()

    assert again.run_requests == []
    assert again.skip_reason is not None
    assert sensor.cursor == "1"


def test_a_run_in_progress_does_not_hold_up_the_next_message(sensor: Sensor) -> None:
    sensor.receive("one", datetime(2026, 11, 23, 11, 59, 50, tzinfo=UTC))
    sensor.finish(_only(sensor.tick()), dg.DagsterRunStatus.STARTED)
    sensor.receive("two", NOW)

    request = _only(sensor.tick())

    # The first run may still fail, so its messages are asked for as well.
    assert request.run_key == "inbox-0-2-1"
    assert _range(request)["dagster/asset_partition_range_start"] == "2026-11-23-00:00"


def test_what_a_failed_run_did_not_take_in_is_asked_for_again(sensor: Sensor) -> None:
    sensor.receive("one", NOW)
    sensor.finish(_only(sensor.tick()), dg.DagsterRunStatus.FAILURE)

    request = _only(sensor.tick(NOW + timedelta(hours=12)))

    assert request.run_key == "inbox-0-1-2"
    assert _range(request) == {
        "dagster/asset_partition_range_start": "2026-11-23-12:00",
        "dagster/asset_partition_range_end": "2026-11-24-00:00",
    }


def test_values_are_pushed_while_a_failed_run_waits_for_its_repetition(sensor: Sensor) -> None:
    _add_delta(sensor.warehouse)
    sensor.receive("one", NOW)
    sensor.finish(_only(sensor.tick()), dg.DagsterRunStatus.STARTED)
    (run,) = sensor.instance.get_runs()
    sensor.instance.report_run_failed(run)
    right_after = datetime.now(UTC)

    request = _only(sensor.tick(right_after))

    assert request.job_name == "opt_in_push"


@pytest.mark.parametrize(
    ("attempt", "waited_seconds", "may_repeat"),
    [
        pytest.param(1, 29, False, id="first failure, too early"),
        pytest.param(1, 30, True, id="first failure"),
        pytest.param(3, 119, False, id="third failure, too early"),
        pytest.param(3, 120, True, id="third failure"),
        pytest.param(100, 3599, False, id="never more often than hourly"),
        pytest.param(100, 3600, True, id="never rarer than hourly"),
    ],
)
def test_waits_between_repetitions_grow(
    attempt: int, waited_seconds: int, *, may_repeat: bool
) -> None:
    failed = LastRun(is_unfinished=False, has_failed=True, attempt=attempt, after=0, ended_at=NOW)

    assert failed.may_repeat(NOW + timedelta(seconds=waited_seconds), 30) is may_repeat


def test_a_value_that_is_due_is_pushed_without_a_message(sensor: Sensor) -> None:
    _add_delta(sensor.warehouse)

    request = _only(sensor.tick())

    assert (request.job_name, request.run_key, request.partition_key) == (
        "opt_in_push",
        None,
        None,
    )


def test_one_push_at_a_time_is_asked_for(sensor: Sensor) -> None:
    _add_delta(sensor.warehouse)
    sensor.finish(_only(sensor.tick()), dg.DagsterRunStatus.STARTING)

    assert sensor.tick().run_requests == []


def test_an_idle_tick_publishes_the_last_commit(sensor: Sensor) -> None:
    writer = Warehouse(sensor.settings.warehouse_directory, publish_interval_seconds=3600)
    _add_delta(writer)
    with writer.read_published() as connection:
        before = connection.execute("select count(*) from opt_in_deltas").fetchall()

    sensor.tick()

    with writer.read_published() as connection:
        after = connection.execute("select count(*) from opt_in_deltas").fetchall()
    assert (before, after) == ([(0,)], [(1,)])


def test_an_empty_deployment_has_nothing_to_do(sensor: Sensor) -> None:
    result = sensor.tick()

    assert result.run_requests == []
    assert "nothing was imported" in str(result.skip_reason)


def test_the_defined_sensor_reads_the_configured_files(
    definitions: dg.Definitions, sensor: Sensor
) -> None:
    now = datetime.now(UTC)
    sensor.receive("one", now)
    defined = definitions.resolve_sensor_def("opt_in")

    with dg.build_sensor_context(
        instance=sensor.instance,
        definitions=definitions,
        resources=dict(build_resources(sensor.settings)),
    ) as context:
        data = defined.evaluate_tick(context)

    (request,) = data.run_requests or []
    assert request.job_name == "opt_in_sync"
    assert request.tags["dagster/partition"] == sensor.settings.windows.grid.at(now).key
