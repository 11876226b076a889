"""Letting nothing remain in a lake of rows that were deleted.

A deleted row of a lake stays in its Parquet file beside a list of what to skip, in the
statistics of files and tables, and in every older snapshot.
"""

from collections.abc import Sequence

import duckdb
import psycopg

from emarsys_pipeline.warehouse.engine import StoredText
from emarsys_pipeline.warehouse.lake import LakeError, LakeLocation
from emarsys_pipeline.warehouse.lake_instance import literal
from emarsys_pipeline.warehouse.sql import load_sql, quote

# Everybody who reads the lake waits while its catalogue is written anew.
LOCK_TIMEOUT_SECONDS = 30


def forget_history(
    connection: duckdb.DuckDBPyConnection, lake: str, catalogue: psycopg.Connection, schema: str
) -> None:
    """Keep the newest snapshot only, in files without deleted rows. Callers hold the lock.

    May be killed at any step and run again: files that nothing points to any more go last.
    """
    _narrow_statistics(connection, lake, catalogue, schema)
    # DuckLake keeps statistics in memory until a file is written.
    connection.execute(f"create table {lake}.main.narrowed as select 1 as anything")
    connection.execute(f"drop table {lake}.main.narrowed")
    connection.execute(f"call ducklake_rewrite_data_files('{lake}', delete_threshold => 0)")
    connection.execute(f"call ducklake_expire_snapshots('{lake}', older_than => now())")
    connection.execute(f"call ducklake_cleanup_old_files('{lake}', cleanup_all => true)")
    connection.execute(f"call ducklake_delete_orphaned_files('{lake}', cleanup_all => true)")
    _write_catalogue_anew(catalogue, schema)


def find_remains(
    connection: duckdb.DuckDBPyConnection,
    lake: str,
    catalogue: psycopg.Connection,
    location: LakeLocation,
    texts: Sequence[str],
) -> list[StoredText]:
    """Where texts (in lower case) are: in the catalogue, and in files not wholly shown."""
    if not texts:
        return []
    found = []
    for path in _partly_shown_files(connection, lake, location):
        ((rows,),) = connection.execute(
            "select count(*) from read_parquet($path) as cells where exists ("
            " from unnest($texts::varchar[]) as wanted(text)"
            " where contains(lower(cells::varchar), wanted.text))",
            {"path": path, "texts": list(texts)},
        ).fetchall()
        found += [StoredText(path.rsplit("/", 1)[-1], "rows", rows)] * (rows > 0)
    for table in _catalogue_tables(catalogue, location.catalogue_schema):
        rows = _rows_with(catalogue, location.catalogue_schema, table, texts)
        found += [StoredText("the catalogue", table, rows)] * (rows > 0)
    return found


def _narrow_statistics(
    connection: duckdb.DuckDBPyConnection, lake: str, catalogue: psycopg.Connection, schema: str
) -> None:
    """Set each text column's least and greatest value to those that the table holds now.

    DuckLake only ever widens them, so that they would keep a value that was deleted.
    """
    named = quote(schema)
    rows = catalogue.execute(
        load_sql(__package__, "lake_text_statistics.sql", schema=named).encode()
    ).fetchall()
    columns_of: dict[tuple[int, str], list[tuple[int, str]]] = {}
    for table_id, table_schema, table, column_id, names, kinds in rows:
        place = f"{lake}.{quote(table_schema)}.{quote(table)}"
        columns_of.setdefault((table_id, place), []).append((column_id, _values(names, kinds)))
    for (table_id, place), columns in columns_of.items():
        bounds = ", ".join(f"min(list_min({of})), max(list_max({of}))" for _, of in columns)
        (found,) = connection.execute(f"select {bounds} from {place}").fetchall()  # noqa: S608 - quoted
        for position, (column_id, _) in enumerate(columns):
            catalogue.execute(
                f"update {named}.ducklake_table_column_stats set min_value = %s, max_value = %s"  # noqa: S608 - quoted
                " where table_id = %s and column_id = %s".encode(),
                (found[2 * position], found[2 * position + 1], table_id, column_id),
            )


def _values(names: Sequence[str], kinds: Sequence[str]) -> str:
    """The values of one row for a column inside lists and structs, as an expression for a list.

    Args:
        names: the column of the table, then what is inside it, down to the text.
        kinds: the type of each.
    """
    values = f"[{quote(names[0])}]"
    for outer, name in zip(kinds, names[1:], strict=False):
        if outer == "list":
            values = f"flatten({values})"
        else:
            values = f"list_transform({values}, lambda each: each.{quote(name)})"
    return values


def _write_catalogue_anew(catalogue: psycopg.Connection, schema: str) -> None:
    """Rows that were deleted stay in PostgreSQL's pages until they are written anew."""
    catalogue.execute(f"set lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'".encode())
    try:
        for table in _catalogue_tables(catalogue, schema):
            catalogue.execute(f"vacuum full {quote(schema)}.{quote(table)}".encode())
    except psycopg.errors.LockNotAvailable:
        raise LakeError(
            "somebody reads the lake for long, so its catalogue cannot be cleaned now: end that "
            "query, and run this again"
        ) from None


def _partly_shown_files(
    connection: duckdb.DuckDBPyConnection, lake: str, location: LakeLocation
) -> list[str]:
    """Files of the lake with rows that no query of the newest snapshot shows."""
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = $lake",
        {"lake": lake},
    ).fetchall()
    whole: set[str] = set()
    for schema, table in tables:
        rows = connection.execute(
            f"select data_file from ducklake_list_files('{lake}', {literal(table)},"  # noqa: S608 - literals
            f" schema => {literal(schema)}) where delete_file is null"
        ).fetchall()
        whole |= {path for (path,) in rows}
    pattern = location.data_path.rstrip("/") + "/**/*.parquet"
    present = connection.execute("from glob($pattern)", {"pattern": pattern}).fetchall()
    return sorted({path for (path,) in present} - whole)


def _rows_with(catalogue: psycopg.Connection, schema: str, table: str, texts: Sequence[str]) -> int:
    columns = catalogue.execute(
        "select column_name, data_type from information_schema.columns"
        " where table_schema = %s and table_name = %s and data_type in"
        " ('bytea', 'text', 'character varying')",
        (schema, table),
    ).fetchall()
    # Texts of stored rows are kept as bytes.
    values = [
        f"convert_from({quote(name)}, 'UTF8')" if kind == "bytea" else quote(name)
        for name, kind in columns
    ]
    if not values:
        return 0
    conditions = " or ".join(f"strpos(lower({value}), wanted) > 0" for value in values)
    statement = (
        f"select count(*) from {quote(schema)}.{quote(table)}"  # noqa: S608 - quoted
        f" where exists (select from unnest(%s::text[]) as wanted where {conditions})"
    )
    row = catalogue.execute(statement.encode(), (list(texts),)).fetchone()
    return 0 if row is None else int(row[0])


def _catalogue_tables(catalogue: psycopg.Connection, schema: str) -> list[str]:
    rows = catalogue.execute(
        "select tablename from pg_tables where schemaname = %s and tablename like 'ducklake%%'"
        " order by tablename",
        (schema,),
    ).fetchall()
    return [name for (name,) in rows]
