"""``emarsys-pipeline status``: where everything stands, in one screen."""

import json
from datetime import UTC, datetime
from typing import Any

import typer

from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.terminal import console, errors, table
from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.settings import Settings, load_settings
from emarsys_pipeline.warehouse import Warehouse, load_sql

SEGMENT_COLUMNS = ("segment", "newest window", "landed at", "mode", "contacts", "changed", "behind")
OUTBOX_COLUMNS = ("account", "outcome", "opt-in values", "oldest")


def status(*, config: Config = None, as_json: AsJson = False) -> None:
    """Show what has been imported, what waits in the inbox, and what Emarsys has not taken yet.

    Reads the published copy and the inbox; waits for nobody. Exit code 1 if a segment is behind
    the newest window that has ended, or a value was refused for good.
    """
    settings = load_settings(config)
    warehouse = Warehouse(settings.warehouse_directory)
    if not warehouse.analytics_path.exists():
        errors.print(
            "[red]error:[/red] nothing has been imported yet: start with emarsys-pipeline ui"
        )
        raise typer.Exit(1)
    found = _look(settings, warehouse)
    if as_json:
        console.print_json(json.dumps(found, default=str))
    else:
        _show(found)
    if found["segments_behind"] or found["dead_letters"]:
        raise typer.Exit(1)


def _look(settings: Settings, warehouse: Warehouse) -> dict[str, Any]:
    newest = settings.windows.grid.newest_closed(utc_now())
    with warehouse.read_published() as connection:
        segments = connection.execute(
            load_sql(__package__, "status_segments.sql"),
            {"newest_window_start": None if newest is None else newest.start},
        ).fetchall()
        outbox = connection.execute(load_sql(__package__, "status_outbox.sql")).fetchall()
    with Inbox(settings.inbox_path) as inbox:
        messages = dict(inbox.counts)
    published = datetime.fromtimestamp(warehouse.analytics_path.stat().st_mtime, tz=UTC)
    return {
        "published_at": published,
        "newest_closed_window": None if newest is None else newest.key,
        "segments": [dict(zip(SEGMENT_COLUMNS, row, strict=True)) for row in segments],
        "outbox": [dict(zip(OUTBOX_COLUMNS, row, strict=True)) for row in outbox],
        "inbox": messages,
        "segments_behind": sum(row[-1] for row in segments),
        "dead_letters": sum(row[2] for row in outbox if row[1] == "dead letter"),
    }


def _show(found: dict[str, Any]) -> None:
    def rows(kind: str) -> list[list[object]]:
        return [[_shown(value) for value in row.values()] for row in found[kind]]

    console.print(f"Newest window that has ended: {found['newest_closed_window'] or 'none yet'}")
    console.print(table("Segments", SEGMENT_COLUMNS, rows("segments")))
    if found["outbox"]:
        console.print(table("Opt-in values for Emarsys", OUTBOX_COLUMNS, rows("outbox")))
    else:
        console.print("No opt-in value had to be written.")
    console.print(table("Inbox", ("messages", "count"), list(found["inbox"].items())))
    console.print(f"Analysts' copy published at {_shown(found['published_at'])}")
    if found["segments_behind"]:
        errors.print("A segment is behind: look at its failed partition in the Dagster UI.")
    if found["dead_letters"]:
        errors.print("Values were refused for good: see remedy in the view opt_in_deliveries.")


def _shown(value: object) -> object:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value
