"""``emarsys-pipeline status``: where everything stands, in one screen."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import typer

from emarsys_pipeline.cli.answers import tell_json
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.standing import OUTBOX_COLUMNS, SEGMENT_COLUMNS, Standing, look
from emarsys_pipeline.cli.terminal import console, errors, table, working
from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.runbook import RUNBOOK
from emarsys_pipeline.settings import load_settings

AUTOMATION_COLUMNS = ("what", "name", "on", "last tick", "state")


def status(*, config: Config = None, as_json: AsJson = False) -> None:
    """Show what was imported, what waits, what was refused, and whether Dagster's daemon is well.

    Reads the published copy, the inbox and Dagster's storage; waits for nobody. Exit code 1 if a
    segment is behind the newest window that has ended, a value was refused for good, a schedule
    or sensor fails, or the daemon has died.

    Example: **emarsys-pipeline status --json | jq .segments_behind**
    """
    settings = load_settings(config)
    with working("looking"):
        found = look(settings)
    if found.published_at is None:
        errors.print(
            "[red]error:[/red] nothing has been imported yet: start with emarsys-pipeline ui"
        )
        raise typer.Exit(1)
    if as_json:
        tell_json(_document(found))
    else:
        _show(found)
    if _problems(found):
        raise typer.Exit(1)


def _document(found: Standing) -> dict[str, Any]:
    document = asdict(found)
    return {
        **document,
        "is_daemon_dead": found.is_daemon_dead,
        "segments_behind": found.segments_behind,
        "dead_letters": found.dead_letters,
        "failing": found.failing,
    }


def _problems(found: Standing) -> list[str]:
    """What is wrong, each with what to do."""
    problems = []
    if found.segments_behind or (found.never_imported and found.newest_closed_window):
        problems.append(
            "A segment is behind: look at its failed partition in the Dagster UI "
            f"({RUNBOOK}#a-segment-is-behind)."
        )
    if found.dead_letters:
        problems.append(
            "Values were refused for good: emarsys-pipeline opt-in dead-letters says what to do "
            f"({RUNBOOK}#no_dead_letters)."
        )
    if found.failing:
        problems.append(
            f"Failing: {', '.join(found.failing)} ({RUNBOOK}#a-schedule-or-sensor-fails)."
        )
    if found.is_daemon_dead:
        problems.append(
            "The daemon gives no sign of life, so nothing runs by itself: start emarsys-pipeline "
            f"ui or your dagster-daemon ({RUNBOOK}#the-daemon-is-dead)."
        )
    return problems


def _show(found: Standing) -> None:
    def rows(kind: list[dict[str, Any]]) -> list[list[object]]:
        return [[_shown(value) for value in row.values()] for row in kind]

    console.print(f"Newest window that has ended: {found.newest_closed_window or 'none yet'}")
    console.print(table("Segments", SEGMENT_COLUMNS, rows(found.segments)))
    if found.never_imported:
        console.print(f"Never imported: {', '.join(found.never_imported)}", soft_wrap=True)
    if found.outbox:
        console.print(table("Opt-in values for Emarsys", OUTBOX_COLUMNS, rows(found.outbox)))
    else:
        console.print("No opt-in value had to be written.")
    counts = [*found.inbox.items(), ("not taken in yet", found.unread)]
    console.print(table("Inbox", ("messages", "count"), counts))
    if found.health is None:
        console.print("Dagster has not run here yet.")
    else:
        seen = found.health.daemon_seen_at
        state = "alive" if found.health.is_daemon_alive(utc_now()) else "not running"
        console.print(f"Daemon: {state}{f', last seen {_shown(seen)}' if seen else ''}")
        automations = [
            [
                *(each.kind, each.name, _shown(each.is_on), _shown(each.last_tick_at)),
                f"fails: {each.error}" if each.is_failing else "well",
            ]
            for each in found.health.automations
        ]
        if automations:
            console.print(table("Schedule and sensors", AUTOMATION_COLUMNS, automations))
    for name, target in found.alerts["targets"].items():
        console.print(f"Alerts that wait for {name}: {target['waiting']}")
    console.print(f"Analysts' copy published at {_shown(found.published_at)}")
    for problem in _problems(found):
        errors.print(problem, soft_wrap=True)


def _shown(value: object) -> object:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value
