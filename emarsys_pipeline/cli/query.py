"""``emarsys-pipeline query`` and ``export``: the analysts' database on screen and in files."""

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.markup import escape

from emarsys_pipeline.cli.answers import tell_json, tell_line, tell_table
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.parquet import Exported, export_view, published_views
from emarsys_pipeline.cli.published import published_warehouse
from emarsys_pipeline.cli.terminal import bars, errors, working
from emarsys_pipeline.settings import load_settings

SHOWN_ROWS = 100
ROWS_AT_A_TIME = 10_000


def query(
    *,
    sql: Annotated[str, typer.Argument(help="One statement, or - to read it from standard input.")],
    config: Config = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
) -> None:
    """Ask the analysts' database; it never waits for a run and never holds one up.

    Views: contacts, identities, identity_members, identity_paths, identity_decisions,
    identity_events, identity_property_sources, segment_changes, segment_imports, consent_history,
    consent_status, automation_events, opt_in_deliveries, opt_in_drift, rejected_values,
    quarantined_links. Shows the first 100 rows; --json gives all.

    Example: **emarsys-pipeline query 'select * from consent_status limit 5'**

    More: docs/queries.md. What each column means: docs/data_dictionary.md.
    """
    statement = sys.stdin.read() if sql == "-" else sql
    with _analysts_database(config) as connection:
        with working("asking"):
            result = connection.execute(statement)
        columns = [column for column, *_ in result.description or []]
        if as_csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(columns)
            while rows := result.fetchmany(ROWS_AT_A_TIME):
                writer.writerows(rows)
            return
        rows = result.fetchall()
    if as_json:
        tell_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    tell_table(f"{len(rows):,} rows", columns, rows[:SHOWN_ROWS])
    if len(rows) > SHOWN_ROWS:
        errors.print(f"{len(rows) - SHOWN_ROWS:,} more rows; --json and --csv give all")


def export(
    *,
    views: Annotated[
        list[str] | None,
        typer.Argument(metavar="[VIEW]...", help="Views to write; all when left out."),
    ] = None,
    folder: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="Gets a folder for each view.")
    ],
    partition_by: Annotated[
        list[str] | None,
        typer.Option(
            "--partition-by",
            metavar="COLUMN",
            help="A folder for each value; may be repeated. For views that have the column.",
        ),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write views as Parquet files, each view replaced in one step.

    A reader of DIR/VIEW finds the old files or the new ones. A folder that this command has not
    written is never replaced.

    Example: **emarsys-pipeline export segment_changes --to lake --partition-by account**
    """
    done: list[Exported] = []
    with _analysts_database(config) as connection, bars() as progress:
        known = published_views(connection)
        chosen = views or sorted(known)
        wanted = partition_by or []
        _refuse_unknown("view", chosen, set(known))
        columns = {column for view in chosen for column in known[view]}
        _refuse_unknown("column", wanted, columns)
        for view in chosen:
            progress("views written", len(done), len(chosen))
            partitions = [column for column in wanted if column in known[view]]
            try:
                done.append(export_view(connection, view, folder / view, partitions))
            except FileExistsError as error:
                errors.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
                raise typer.Exit(1) from error
        progress("views written", len(done), len(chosen))
    if as_json:
        tell_json([each.as_dict() for each in done])
        return
    for each in done:
        tell_line(f"{each.folder}: {each.rows:,} rows in {each.files:,} files")


def _refuse_unknown(kind: str, named: list[str], known: set[str]) -> None:
    for name in named:
        if name not in known:
            raise typer.BadParameter(
                f"there is no {kind} {name}; there are: {', '.join(sorted(known))}"
            )


@contextmanager
def _analysts_database(config: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published copy; what goes wrong in it ends the command with a message."""
    warehouse = published_warehouse(load_settings(config))
    try:
        with warehouse.read_published(schema="main") as connection:
            yield connection
    except duckdb.Error as error:
        errors.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from error
