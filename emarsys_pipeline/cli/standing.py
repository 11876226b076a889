"""Where a deployment stands: what ``status`` prints and ``metrics`` measures.

Reads the published copy, the inbox, the book of alerts and Dagster's own storage; waits for nobody
and asks no running service.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from emarsys_pipeline.alerts import AlertBook
from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.storage import has_inbox, open_inbox, open_warehouse
from emarsys_pipeline.warehouse import load_sql

if TYPE_CHECKING:
    from emarsys_pipeline.defs.health import Health

SEGMENT_COLUMNS = ("segment", "newest window", "landed at", "mode", "contacts", "changed", "behind")
OUTBOX_COLUMNS = ("account", "outcome", "opt-in values", "oldest")
REJECTED_COLUMNS = ("account", "contacts", "with a rejected value")
JOBS = ("segment_import", "opt_in_sync", "opt_in_push")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One look at everything.

    Attributes:
        published_at: when the analysts' copy was made, None if there is none.
        newest_closed_window: key of the newest window that has ended, None before the first.
        segments: the newest landed import of each segment, by ``SEGMENT_COLUMNS``.
        windows_behind: ended windows since each segment's newest import.
        never_imported: segments that are known and have no import at all.
        outbox: newest opt-in values by account and outcome, by ``OUTBOX_COLUMNS``.
        rejected: imported contacts with values that could not be converted.
        inbox: messages kept, by kind, and ``poison``.
        unread: messages that no published run has taken in.
        health: daemon, schedules and sensors; None where Dagster has never run.
        last_success: end of the last successful run of each job that has had one.
        alerts: what is open, and what waits for each target.
    """

    published_at: datetime | None
    newest_closed_window: str | None
    segments: list[dict[str, Any]]
    windows_behind: dict[str, int]
    never_imported: list[str]
    outbox: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    inbox: dict[str, int]
    unread: int
    health: "Health | None"
    last_success: dict[str, datetime]
    alerts: dict[str, Any]

    @property
    def segments_behind(self) -> int:
        """Segments without the newest window that has ended."""
        return sum(row["behind"] for row in self.segments)

    @property
    def dead_letters(self) -> int:
        """Values that Emarsys refused for good."""
        return sum(row["opt-in values"] for row in self.outbox if row["outcome"] == "dead letter")

    @property
    def failing(self) -> list[str]:
        """Schedules and sensors whose last tick failed."""
        automations = self.health.automations if self.health else ()
        return [each.name for each in automations if each.is_failing]

    @property
    def is_daemon_dead(self) -> bool:
        """Whether a daemon has run here and gives no sign of life."""
        seen = self.health is not None and self.health.daemon_seen_at is not None
        return seen and self.health is not None and not self.health.is_daemon_alive(utc_now())


def look(settings: Settings) -> Standing:
    """Look at everything once."""
    warehouse = open_warehouse(settings)
    newest = settings.windows.grid.newest_closed(utc_now())
    segments, outbox, rejected, taken = [], [], [], 0
    published_at = warehouse.published_at
    if published_at is not None:
        start = {"newest_window_start": None if newest is None else newest.start}
        with warehouse.read_published() as connection:
            segments = connection.execute(
                load_sql(__package__, "status_segments.sql"), start
            ).fetchall()
            outbox = connection.execute(load_sql(__package__, "status_outbox.sql")).fetchall()
            rejected = connection.execute(load_sql(__package__, "status_rejected.sql")).fetchall()
            ((taken,),) = connection.execute(load_sql(__package__, "status_taken.sql")).fetchall()
    inbox, unread = {}, 0
    if has_inbox(settings):
        with open_inbox(settings) as messages:
            inbox, unread = dict(messages.counts), max(0, messages.last_sequence() - taken)
    health, last_success, known = _of_dagster(settings)
    found = [dict(zip(SEGMENT_COLUMNS, row, strict=True)) for row in segments]
    behind = {
        row["segment"]: 0
        if newest is None
        else max(0, (newest.start - row["newest window"]) // settings.windows.grid.length)
        for row in found
    }
    never = sorted(set(known) - behind.keys())
    if newest is not None:
        grid = settings.windows.grid
        behind |= dict.fromkeys(never, (newest.start - grid.start) // grid.length + 1)
    return Standing(
        published_at=published_at,
        newest_closed_window=None if newest is None else newest.key,
        segments=found,
        windows_behind=behind,
        never_imported=never,
        outbox=[dict(zip(OUTBOX_COLUMNS, row, strict=True)) for row in outbox],
        rejected=[dict(zip(REJECTED_COLUMNS, row, strict=True)) for row in rejected],
        inbox=inbox,
        unread=unread,
        health=health,
        last_success=last_success,
        alerts=_of_alerts(settings),
    )


def _of_dagster(settings: Settings) -> "tuple[Health | None, dict[str, datetime], list[str]]":
    """Health, last successes by job, and the segments that the instance knows."""
    if not (settings.dagster_home / "dagster.yaml").exists():
        return None, {}, []
    # Seconds to import, and only needed where Dagster has run.
    import dagster as dg

    from emarsys_pipeline.defs.health import look_at_health
    from emarsys_pipeline.defs.partitions import SEGMENTS_NAME

    last_success = {}
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        for job in JOBS:
            succeeded = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS])
            for record in instance.get_run_records(succeeded, limit=1):
                last_success[job] = datetime.fromtimestamp(record.end_time or 0, UTC)
        known = list(instance.get_dynamic_partitions(SEGMENTS_NAME))
        return look_at_health(instance), last_success, known


def _of_alerts(settings: Settings) -> dict[str, Any]:
    targets = [target.name for target in settings.alerts.targets]
    if not settings.alerts_path.exists():
        return {"open": [], "targets": {name: {"waiting": 0} for name in targets}}
    with AlertBook(settings.alerts_path) as book:
        return {"open": book.open_subjects(), "targets": book.undelivered(targets)}
