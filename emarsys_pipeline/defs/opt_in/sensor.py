"""The opt-in sensor: new messages and due pushes become runs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from emarsys_pipeline.defs.jobs import OPT_IN_PUSH, OPT_IN_SYNC
from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.defs.partitions import Partitions, range_tags
from emarsys_pipeline.defs.resources import InboxResource, WarehouseResource
from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.settings import PushSettings, Settings
from emarsys_pipeline.stages.opt_in_pushes import outbox_due
from emarsys_pipeline.warehouse import Warehouse

SENSOR = "opt_in"
STARTED_BY_TAG = "emarsys_pipeline/started_by"
# A run says from which message on it takes the inbox in, so that a failed one can be repeated.
AFTER_TAG = "emarsys_pipeline/inbox_after"
ATTEMPT_TAG = "emarsys_pipeline/attempt"

MAX_WAIT_SECONDS = 3600.0
# 2 to this power times the base is above the longest wait whatever the base.
MAX_DOUBLINGS = 12


@dataclass(frozen=True, slots=True)
class LastRun:
    """What the sensor needs to know of the newest run of one of its jobs."""

    is_unfinished: bool
    has_failed: bool
    attempt: int
    after: int | None
    ended_at: datetime | None

    @property
    def has_left_messages(self) -> bool:
        """Whether it may have left messages in the inbox that nobody will ask for again."""
        return self.has_failed and self.after is not None

    def may_repeat(self, now: datetime, base_seconds: float) -> bool:
        """Whether enough time has passed since the failure; waits double with each attempt."""
        doublings = min(self.attempt - 1, MAX_DOUBLINGS)
        wait = timedelta(seconds=min(base_seconds * 2**doublings, MAX_WAIT_SECONDS))
        return self.ended_at is None or now >= self.ended_at + wait


def build_opt_in_sensor(settings: Settings, partitions: Partitions) -> dg.SensorDefinition:
    """The sensor; on by default."""

    @dg.sensor(
        name=SENSOR,
        jobs=[OPT_IN_SYNC, OPT_IN_PUSH],
        minimum_interval_seconds=settings.pushes.sensor_interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        owners=OWNERS,
        description=(
            "Looks into the inbox and the outbox. New messages start opt_in_sync for the windows "
            "in which they arrived; values that are due (after stitching, after a refusal that "
            "may pass, without an answer) start opt_in_push. Also publishes the analysts' copy "
            "when the last commit is still unpublished. Stopped, nothing is lost: messages stay "
            "in the inbox and values in the outbox."
        ),
    )
    def opt_in(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, inbox: InboxResource
    ) -> dg.SensorResult:
        with inbox.open() as messages:
            tick = OptInTick(
                partitions=partitions,
                pushes=settings.pushes,
                warehouse=warehouse.without_migration(),
                inbox=messages,
            )
            return tick.evaluate(context, datetime.now(UTC))

    return opt_in


@dataclass(frozen=True, slots=True, kw_only=True)
class OptInTick:
    """One look at inbox and outbox."""

    partitions: Partitions
    pushes: PushSettings
    warehouse: Warehouse
    inbox: Inbox

    def evaluate(self, context: dg.SensorEvaluationContext, now: datetime) -> dg.SensorResult:
        """Decide which run is needed; the cursor is the last message that a run was asked for."""
        sync = last_run(context.instance, OPT_IN_SYNC.name)
        cursor = int(context.cursor or 0)
        newest = self.inbox.last_sequence()
        if newest > cursor:
            return self._sync(cursor, newest, sync, now)
        if (
            sync is not None
            and sync.has_left_messages
            and sync.may_repeat(now, self.pushes.retry_base_seconds)
        ):
            return self._sync(cursor, newest, sync, now)
        return self._push(cursor, sync, last_run(context.instance, OPT_IN_PUSH.name), now)

    def _sync(
        self, cursor: int, newest: int, last: LastRun | None, now: datetime
    ) -> dg.SensorResult:
        """Ask for the windows that hold the messages no successful run has taken in."""
        after, attempt = cursor, 1
        if last is not None and last.after is not None:
            if last.has_failed or last.is_unfinished:
                after = min(cursor, last.after)
            if last.has_failed:
                attempt = last.attempt + 1
        grid = self.partitions.grid
        oldest = self.inbox.oldest_received_after(after) or now
        first = max(grid.at(oldest), grid.at(grid.start))
        current = max(grid.at(now), first)
        tags = {STARTED_BY_TAG: SENSOR, AFTER_TAG: str(after), ATTEMPT_TAG: str(attempt)}
        if first != current:
            tags.update(range_tags(first.key, current.key))
        request = dg.RunRequest(
            run_key=f"inbox-{after}-{newest}-{attempt}",
            job_name=OPT_IN_SYNC.name,
            partition_key=current.key if first == current else None,
            tags=tags,
        )
        return dg.SensorResult(run_requests=[request], cursor=str(newest))

    def _push(
        self, cursor: int, sync: LastRun | None, push: LastRun | None, now: datetime
    ) -> dg.SensorResult:
        """Ask for a drain of the outbox if the published copy shows that something is due."""
        if any(run is not None and run.is_unfinished for run in (sync, push)):
            return _skip(cursor, "No new message, and a run that pushes is on its way.")
        attempt = 1
        if push is not None and push.has_failed:
            if not push.may_repeat(now, self.pushes.retry_base_seconds):
                return _skip(cursor, "The last opt_in_push failed; it is repeated after a wait.")
            attempt = push.attempt + 1
        self.warehouse.publish_pending()
        if not self.warehouse.is_published:
            return _skip(cursor, "No message has come yet, and nothing was imported.")
        patience = self.pushes.settle_after_seconds
        if not outbox_due(self.warehouse, now, settle_after_seconds=patience):
            return _skip(cursor, "No new message, and no opt-in value is due.")
        tags = {STARTED_BY_TAG: SENSOR, ATTEMPT_TAG: str(attempt)}
        return dg.SensorResult(
            run_requests=[dg.RunRequest(job_name=OPT_IN_PUSH.name, tags=tags)], cursor=str(cursor)
        )


def last_run(
    instance: dg.DagsterInstance, job_name: str, *, started_by: str = SENSOR
) -> LastRun | None:
    """The newest run of a job that this sensor, or another one, started."""
    records = instance.get_run_records(
        dg.RunsFilter(job_name=job_name, tags={STARTED_BY_TAG: started_by}), limit=1
    )
    if not records:
        return None
    run = records[0].dagster_run
    ended = records[0].end_time
    after = run.tags.get(AFTER_TAG)
    return LastRun(
        is_unfinished=not run.is_finished,
        has_failed=run.is_failure,
        attempt=int(run.tags.get(ATTEMPT_TAG, "1")),
        after=None if after is None else int(after),
        ended_at=None if ended is None else datetime.fromtimestamp(ended, UTC),
    )


def _skip(cursor: int, reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=str(cursor))
