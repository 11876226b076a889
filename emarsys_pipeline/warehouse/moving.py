"""Moving a warehouse from the file of one machine into a lake, each table checked by its hash."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from emarsys_pipeline.postgresql import connect
from emarsys_pipeline.warehouse import lake_salt
from emarsys_pipeline.warehouse.file_engine import FileEngine
from emarsys_pipeline.warehouse.lake import LakeLocation
from emarsys_pipeline.warehouse.lake_instance import connected, literal
from emarsys_pipeline.warehouse.sql import quote
from emarsys_pipeline.warehouse.store import Warehouse
from emarsys_pipeline.warehouse.tombstones import read_salt

# Each side keeps its own records of how its schema was made.
_RECORDS = "schema_migrations"
_SOURCE = "moved_file"


class MoveRefusedError(Exception):
    """Nothing was moved; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class TableContent:
    """What a table holds: rows, and the sum of their hashes, in any order."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Moved:
    """What is now at both places.

    Attributes:
        is_new: whether it was moved now; else it had been before.
        rows: of each table, by its name.
    """

    is_new: bool
    rows: Mapping[str, int]


def move_file_into_lake(
    directory: Path, location: LakeLocation, *, tell: Callable[[str], None]
) -> Moved:
    """Copy all tables of a file into an empty lake, in one transaction; the file stays as it is.

    Nothing is committed unless each table has the same number of rows and the same sum of row
    hashes on both sides. A second call only compares.

    Args:
        directory: the folder of ``warehouse.duckdb``; nobody else can write it meanwhile.
        location: a lake that the deploy step has made.
        tell: is called with the name of each table before it is copied.

    Raises:
        MoveRefusedError: there is no file, or the lake holds something else.
    """
    source = FileEngine(directory, publish_interval_seconds=0)
    if not source.path.exists():
        raise MoveRefusedError(
            f"there is no {source.path}, so there is nothing to move: with home in the settings, "
            "name the folder that has been in use"
        )
    source.migrate()
    with source.only_writer():
        try:
            with Warehouse(location).write() as connection:
                connection.execute(
                    " ".join(["attach", literal(str(source.path)), f"as {_SOURCE} (read_only)"])
                )
                moved = _copy(connection, tell)
                salt = read_salt(source.salt_path)
                if salt is not None:
                    with connect(location.database) as catalogue:
                        lake_salt.keep_salt(catalogue, location.catalogue_schema, salt)
        finally:
            # All connections of this process share what is attached.
            with connected(location) as (connection, _):
                connection.execute(f"detach database if exists {_SOURCE}")
    return moved


def _copy(connection: duckdb.DuckDBPyConnection, tell: Callable[[str], None]) -> Moved:
    lake = str(connection.execute("select current_database()").fetchall()[0][0])
    columns = _columns(connection, _SOURCE)
    _add_columns(connection, lake, columns)
    del columns[_RECORDS]
    wanted = _contents(connection, _SOURCE, columns)
    found = _contents(connection, lake, columns)
    rows = {table: content.rows for table, content in wanted.items()}
    if found == wanted:
        return Moved(is_new=False, rows=rows)
    filled = [table for table, content in found.items() if content.rows]
    if filled:
        raise MoveRefusedError(
            f"the lake holds other rows than the file, for example in {filled[0]}: it is in use "
            "already. To move the file nevertheless, name another schema_name in lake"
        )
    for table in columns:
        tell(table)
        connection.execute(
            f"insert into {lake}.main.{quote(table)} by name from {_SOURCE}.main.{quote(table)}"
        )
        content = _content(connection, lake, table, columns[table])
        if content != wanted[table]:
            raise MoveRefusedError(
                f"{table} has {content.rows} rows in the lake and {wanted[table].rows} in the "
                "file, or some differ: nothing was moved. Please report it"
            )
    return Moved(is_new=True, rows=rows)


def _columns(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for table, column, data_type in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() join duckdb_tables()"
        " using (database_name, schema_name, table_name)"
        " where database_name = $database and schema_name = 'main'"
        " order by table_name, column_index",
        {"database": database},
    ).fetchall():
        found.setdefault(table, {})[column] = data_type
    return found


def _add_columns(
    connection: duckdb.DuckDBPyConnection, lake: str, wanted: Mapping[str, Mapping[str, str]]
) -> None:
    """Give the lake the columns that came with the settings of the file."""
    present = _columns(connection, lake)
    for table, columns in wanted.items():
        for column, data_type in columns.items():
            if column not in present[table]:
                connection.execute(
                    f"alter table {lake}.main.{quote(table)} add column {quote(column)} {data_type}"
                )


def _contents(
    connection: duckdb.DuckDBPyConnection, database: str, tables: Mapping[str, Iterable[str]]
) -> dict[str, TableContent]:
    return {table: _content(connection, database, table, names) for table, names in tables.items()}


def _content(
    connection: duckdb.DuckDBPyConnection, database: str, table: str, names: Iterable[str]
) -> TableContent:
    # The order of columns is that of their addition, which may differ.
    columns = ", ".join(map(quote, sorted(names)))
    ((rows, digest),) = connection.execute(
        f"select count(*), coalesce(sum(hash({columns})::hugeint), 0)::varchar"  # noqa: S608
        f" from {database}.main.{quote(table)}"
    ).fetchall()
    return TableContent(rows, digest)
