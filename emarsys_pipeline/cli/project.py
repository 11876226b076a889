"""Commands around a deployment: write its settings, look at what it holds."""

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.terminal import console, errors, table
from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.settings import example_settings, load_settings
from emarsys_pipeline.warehouse import Warehouse

SHOWN_ROWS = 100


def init(
    *,
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path(
        "emarsys_pipeline.yaml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Write a commented settings file; as it stands, it uses the sandbox.

    Its windows start yesterday, so that one has ended and the first import begins at once.

    Next: put your account, segments and fields into it, export the variables that it names, and
    run **emarsys-pipeline doctor**.
    """
    if path.exists() and not force:
        errors.print(f"[red]error:[/red] {path} exists already; edit it, or give --force")
        raise typer.Exit(1)
    today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    path.write_text(example_settings(today - timedelta(days=1)), encoding="utf-8")
    console.print(f"wrote {path}")


def query(
    *,
    sql: Annotated[str, typer.Argument(help="One statement, or - to read it from standard input.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Ask the analysts' database; it never waits for a run and never holds one up.

    Views: contacts, identities, identity_members, identity_events, segment_changes,
    segment_imports, consent_history, consent_status, automation_events, opt_in_deliveries,
    opt_in_drift, rejected_values, quarantined_links. Shows the first 100 rows; --json gives all.

    Example: **emarsys-pipeline query 'select * from consent_status limit 5'**
    """
    statement = sys.stdin.read() if sql == "-" else sql
    warehouse = Warehouse(load_settings(config).warehouse_directory)
    if not warehouse.analytics_path.exists():
        errors.print(
            f"[red]error:[/red] {warehouse.analytics_path} does not exist yet: nothing has been "
            "imported; start with emarsys-pipeline ui, or try emarsys-pipeline demo"
        )
        raise typer.Exit(1)
    try:
        with warehouse.read_published(schema="main") as connection:
            result = connection.execute(statement)
            columns = [column for column, *_ in result.description or []]
            rows = result.fetchall()
    except duckdb.Error as error:
        errors.print(f"[red]error:[/red] {error}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    if as_json:
        console.print_json(
            json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=_text)
        )
        return
    console.print(table(f"{len(rows):,} rows", columns, [_shown(row) for row in rows[:SHOWN_ROWS]]))
    if len(rows) > SHOWN_ROWS:
        errors.print(f"{len(rows) - SHOWN_ROWS:,} more rows; --json gives all")


def _shown(row: tuple[object, ...]) -> list[object]:
    return ["" if value is None else value for value in row]


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
