"""Whether what runs by itself does run: the daemon, the schedules and the sensors."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import dagster as dg

# Dagster's daemons beat every 30 s and count as dead after 300 s.
DAEMON_PATIENCE = timedelta(seconds=300)
FAILURE = "FAILURE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """A schedule or sensor, and how its last tick went.

    Attributes:
        name: as the definitions call it.
        kind: what it is.
        is_on: whether it runs.
        is_failing: whether its last finished tick failed.
        last_tick_at: when it last looked, None if it never has.
        error: the first line of the failure.
    """

    name: str
    kind: Literal["schedule", "sensor"]
    is_on: bool
    is_failing: bool
    last_tick_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What runs by itself in one Dagster instance."""

    daemon_seen_at: datetime | None
    automations: tuple[Automation, ...]

    def is_daemon_alive(self, now: datetime) -> bool:
        """Whether some daemon has given a sign of life."""
        return self.daemon_seen_at is not None and now - self.daemon_seen_at < DAEMON_PATIENCE


def look_at_health(instance: dg.DagsterInstance) -> Health:
    """What the instance has stored; asks no running service."""
    beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
    return Health(
        daemon_seen_at=datetime.fromtimestamp(max(beats), UTC) if beats else None,
        automations=look_at_automations(instance),
    )


def look_at_automations(instance: dg.DagsterInstance) -> tuple[Automation, ...]:
    """Every schedule and sensor that has ever been on, by name."""
    if instance.schedule_storage is None:
        return ()
    found = {}
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=5)
        finished = [tick for tick in ticks if tick.status.value != "STARTED"]
        is_failing = bool(finished) and finished[0].status.value == FAILURE
        error = finished[0].error if is_failing else None
        found[state.instigator_name] = Automation(
            name=state.instigator_name,
            kind="schedule" if state.instigator_type.value == "SCHEDULE" else "sensor",
            is_on=state.is_running,
            is_failing=is_failing,
            last_tick_at=datetime.fromtimestamp(ticks[0].timestamp, UTC) if ticks else None,
            error=_root_of(error),
        )
    return tuple(found[name] for name in sorted(found))


def _root_of(error: object) -> str:
    """The message of the error that began it all; Dagster wraps it in its own."""
    message = ""
    while error is not None:
        message = str(getattr(error, "message", "")).strip() or message
        error = getattr(error, "cause", None)
    return message.splitlines()[0] if message else ""
