"""The analysts' copy: built beside the published file, then moved over it.

The copy is made by SQL into a new file. Copying ``warehouse.duckdb`` itself inside the process
that has it open would drop DuckDB's lock on it (POSIX releases a process's locks on a file when
any of its descriptors closes).
"""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb

from emarsys_pipeline.warehouse.columns import property_columns
from emarsys_pipeline.warehouse.sql import load_sql, load_views, quote

# Raw rows stay in the warehouse: no view needs them.
PUBLISHED_TABLES = (
    "automation_events",
    "consent_events",
    "contact_upsert_pushes",
    "contact_upserts",
    "current_contacts",
    "emarsys_fields",
    "former_members",
    "identities",
    "identity_decisions",
    "identity_events",
    "identity_identifiers",
    "identity_members",
    "identity_property_sources",
    "identity_stitches",
    "mapped_contacts",
    "opt_in_deltas",
    "opt_in_drift",
    "opt_in_pushes",
    "opt_in_readings",
    "opt_in_replays",
    "opt_in_reconciliations",
    "platform_contacts",
    "quarantined_links",
    "rejected_values",
    "segment_imports",
)

# The hash of a message's body is evidence, which analysts have no use for.
UNPUBLISHED_COLUMNS = {"consent_events": ("evidence_hash",)}

Opener = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


class PublishedCopy:
    """``analytics.duckdb``: when it is due, and how it is replaced. Callers hold the write lock.

    The marker file stands from before a commit until that commit is published, so that a process
    killed in between leaves the marker and somebody else publishes.
    """

    def __init__(self, path: Path, *, pending_marker: Path, interval_seconds: float) -> None:
        self.path = path
        self._marker = pending_marker
        self._interval_seconds = interval_seconds

    def mark_pending(self) -> None:
        """Note that there is, or is about to be, a commit that is not published."""
        self._marker.touch()

    def is_pending(self) -> bool:
        """Whether the newest commit is not published yet."""
        return self._marker.exists()

    def is_due(self) -> bool:
        """Whether the interval since the last replacement has passed."""
        try:
            age = time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return True
        return not 0 <= age < self._interval_seconds

    def publish(self, open_warehouse: Opener) -> None:
        """Replace the published file by the warehouse's last commit, in one step for readers."""
        write_copy(open_warehouse, self.path)
        self._marker.unlink(missing_ok=True)


def write_copy(open_warehouse: Opener, path: Path) -> None:
    """Write the analysts' tables and views into a file, in one step for its readers."""
    building = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    for leftover in path.parent.glob(f"{path.name}.*.tmp*"):
        leftover.unlink(missing_ok=True)
    try:
        with open_warehouse() as connection:
            properties = property_columns(connection)
            _copy_tables(connection, building)
        _create_views(building, properties)
        with building.open("rb") as file:
            os.fsync(file.fileno())
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)


def _copy_tables(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    connection.execute(" ".join(["attach", _literal(target), "as published"]))
    connection.begin()
    copy_tables(connection)
    connection.commit()
    connection.execute("detach published")


def copy_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Copy the tables behind the views into the attached database ``published``."""
    connection.execute("create schema published.pipeline")
    for table in PUBLISHED_TABLES:
        connection.execute(_copy_statement(table))


def _copy_statement(table: str) -> str:
    hidden = UNPUBLISHED_COLUMNS.get(table, ())
    columns = f"* exclude ({', '.join(map(quote, hidden))})" if hidden else "*"
    target = f"published.pipeline.{quote(table)}"
    return " ".join(["create table", target, "as select", columns, "from", quote(table)])


def _create_views(path: Path, properties: list[str]) -> None:
    connection = duckdb.connect(str(path))
    try:
        create_views(connection, properties)
    finally:
        connection.close()


def create_views(connection: duckdb.DuckDBPyConnection, properties: list[str]) -> None:
    """Make the commented views over the copied tables, with a column per property."""
    connection.execute(load_views("pipeline"))
    connection.execute(analysts_views_sql(properties, tables="pipeline"))
    for view in ("contacts", "identities"):
        for name in properties:
            column = f"{view}.{quote(name)}"
            comment = f"'Mapped property {name}'"
            connection.execute(" ".join(["comment on column", column, "is", comment]))


def analysts_views_sql(properties: list[str], *, tables: str) -> str:
    """The statements that make the analysts' views over the tables of this schema."""
    names = ", ".join(
        f"case when identities.{quote(name)} is not null then {_text_literal(name)} end"
        for name in properties
    )
    return load_sql(
        __package__,
        "analytics.sql",
        tables=tables,
        property_columns="".join(f", {quote(name)}" for name in properties),
        contact_property_columns="".join(f", contacts.{quote(name)}" for name in properties),
        property_names=names,
    )


def _literal(path: Path) -> str:
    return _text_literal(str(path))


def _text_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
