"""Moving the home of one machine into a lake."""

import json
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from emarsys_pipeline import storage
from emarsys_pipeline.cli.app import app
from emarsys_pipeline.inbox import Delivery, Inbox, Rejected, parse_message
from emarsys_pipeline.settings import Settings, load_settings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline.warehouse.columns import ensure_property_columns, ensure_raw_field_columns
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs
from emarsys_pipeline_tests.settings_files import VALID, written

pytestmark = needs(POSTGRESQL)

TYPES = {
    "mobile": "varchar",
    "born": "date",
    "points": "double",
    "orders": "bigint",
    "is_member": "boolean",
    "likes": "varchar[]",
}
FILLED = (
    *("consent_events", "erasure_tombstones", "identities", "mapped_contacts"),
    "raw_segment_exports",
)


@pytest.fixture
def settings(lake_settings: Path) -> Settings:
    """Of a home that has been in use: with rows in tables, messages, and somebody erased."""
    settings = load_settings(lake_settings)
    file = Warehouse(settings.warehouse_directory)
    file.migrate()
    file.make_salt()
    with file.write() as connection:
        ensure_property_columns(connection, TYPES)
        ensure_raw_field_columns(connection, ["3", "37"])
        for table in FILLED:
            connection.execute(filling(connection, table))
    with Inbox(settings.inbox_path) as inbox:
        rejected = (Rejected(b"\xff\x00'", "not_json"),)
        inbox.put_deliveries([Delivery([consent(f"e{n}") for n in range(2500)], "test", rejected)])
        inbox.forget([3, 2500])
    return settings


def consent(event_id: str) -> Any:
    content = {"event_id": event_id, "phone": "+493023125000", "status": "granted"}
    return parse_message("consent", {**content, "occurred_at": "2026-03-01T11:59:00Z"})


def filling(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """A statement that adds 3,000 rows with a value of its type in each column, or none."""
    columns = connection.execute(
        "select name, type from pragma_table_info($table)", {"table": table}
    ).fetchall()
    values = {
        "VARCHAR": "'Ö' || n",
        "VARCHAR[]": "['a' || n, null, '']",
        "DATE": "date '2026-01-01' + n::int",
        "DOUBLE": "n / 7",
        "BIGINT": "n",
        "INTEGER": "n::int",
        "UBIGINT": "hash(n)",
        "BOOLEAN": "n % 2 = 0",
        "TIMESTAMP WITH TIME ZONE": "timestamptz '2026-03-01 00:00:00+00' + to_seconds(n)",
    }
    required = {
        row[0]
        for row in connection.execute(
            "select column_name from duckdb_columns() where not is_nullable and table_name = $t",
            {"t": table},
        ).fetchall()
    }
    written = [
        f"{values[kind]} as {name}"
        if name in required
        else f'case when n % 5 <> 0 then {values[kind]} end as "{name}"'
        for name, kind in columns
    ]
    return f"insert into {table} by name select {', '.join(written)} from range(3000) as made(n)"  # noqa: S608  # a test's own


def migrate(lake_settings: Path) -> Any:
    command = ["migrate", "--to", "lake", "--config", str(lake_settings), "--json"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    return json.loads(result.stdout)


def rows(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    tables = connection.execute(
        "select table_name from duckdb_tables() where database_name = current_database()"
        " and schema_name = 'main' and table_name <> 'schema_migrations' order by table_name"
    ).fetchall()
    found: dict[str, list[Any]] = {}
    for (table,) in tables:
        # The order of columns is that of their addition, which may differ.
        names = [
            row[0]
            for row in connection.execute(
                "select name from pragma_table_info($table) order by name", {"table": table}
            ).fetchall()
        ]
        columns = ", ".join(f'"{name}"' for name in names)
        query = f"select {columns} from {table} order by all"  # noqa: S608  # a test's own
        found[table] = [names, *connection.execute(query).fetchall()]
    return found


def test_every_row_arrives_once_and_the_files_stay(settings: Settings, lake_settings: Path) -> None:
    moved = migrate(lake_settings)
    assert moved["is_new"]
    filled = {table: count for table, count in moved["warehouse"].items() if count}
    assert filled == dict.fromkeys(FILLED, 3000)
    assert moved["inbox"] == {"messages": 2498, "poison": 1}
    file = Warehouse(settings.warehouse_directory)
    with file.read() as connection:
        expected = rows(connection)
        tombstone = "select tombstone_of('phone', '+493023125000')"
        expected_tombstone = connection.execute(tombstone).fetchall()
    with storage.open_warehouse(settings).read() as connection:
        assert rows(connection) == expected
        assert connection.execute(tombstone).fetchall() == expected_tombstone
    with Inbox(settings.inbox_path) as source, storage.open_inbox(settings) as target:
        assert target.fetch("consent").equals(source.fetch("consent"))
        assert target.fetch_poison().equals(source.fetch_poison())
        target.put([consent("new")], source="test", received_at=datetime(2027, 1, 1, tzinfo=UTC))
        # The last of the file's sequences was given, and forgotten.
        assert target.last_sequence() == 2501


def test_a_second_run_compares_and_one_after_a_change_is_refused(
    settings: Settings, lake_settings: Path
) -> None:
    migrate(lake_settings)
    assert not migrate(lake_settings)["is_new"]
    with sqlite3.connect(settings.inbox_path) as connection:
        connection.execute("update messages set source = 'other' where sequence = 7")
    connection.close()
    with pytest.raises(Exception, match="holds other messages than the file"):
        migrate(lake_settings)
    with Warehouse(settings.warehouse_directory).write() as file:
        file.execute("update mapped_contacts set points = points + 1 where contact_id = 'Ö8'")
    with pytest.raises(Exception, match="holds other rows than the file, for example in"):
        migrate(lake_settings)


def test_a_copy_that_differs_is_not_committed(
    settings: Settings, lake_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emarsys_pipeline.warehouse import moving

    honest = moving._content

    def one_less(
        connection: Any, database: str, table: str, names: Iterable[str]
    ) -> moving.TableContent:
        found = honest(connection, database, table, names)
        if database.startswith("lake_") and table == "mapped_contacts" and found.rows:
            return moving.TableContent(found.rows - 1, found.digest)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(moving, "_content", one_less)
        with pytest.raises(moving.MoveRefusedError, match="nothing was moved"):
            migrate(lake_settings)
    with storage.open_warehouse(settings).read() as connection:
        assert {table for table, found in rows(connection).items() if len(found) > 1} == set()
    assert migrate(lake_settings)["is_new"]


def test_without_a_lake_or_a_file_it_says_what_to_do(lake_settings: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="nothing to move"):
        migrate(lake_settings)
    alone = tmp_path / "alone"
    alone.mkdir()
    with pytest.raises(storage.MoveError, match="add the section lake"):
        migrate(written(alone, VALID))
