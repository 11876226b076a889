"""Where texts and ids occur in all that a home holds: the proof that an erasure left nothing.

Each database and Parquet file is opened and every cell compared, since what is stored there is
compressed; and the bytes of every file are compared as they are, since deleted rows may be left in
a database file. Texts are found anywhere and in any case; ids are found as whole values only.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from emarsys_pipeline.warehouse import Warehouse, quote

CHUNK_BYTES = 1 << 24
SQLITE_MAGIC = b"SQLite format 3\x00"
PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something was found: the file, the table in it or ``bytes``, and in how many rows."""

    file: str
    place: str
    rows: int


def search_home(
    warehouse: Warehouse,
    home: Path,
    *,
    texts: Sequence[str],
    ids: Sequence[str] = (),
    folders: Sequence[Path] = (),
    skipped: Collection[Path] = (),
) -> list[Finding]:
    """Look for texts (in lower case) and ids in every file of the home and of further folders.

    Args:
        warehouse: all that it stores is searched, wherever it is.
        home: the folder of everything else.
        texts: found anywhere in a value or in the bytes of a file.
        ids: found as a whole value, or in quotation marks in a text file.
        folders: where hand-over files are, if outside.
        skipped: files that are left out.
    """
    findings: list[Finding] = []
    for database in warehouse.databases():
        with database.connect as connection:
            findings += _in_tables(connection, database.name, texts, ids)
    findings += [Finding(each.file, each.place, each.rows) for each in warehouse.remains(texts)]
    own_names = tuple(path.name for path in warehouse.own_files)
    for path in all_files([home, *folders]):
        if path in skipped:
            continue
        name = str(path.relative_to(home)) if path.is_relative_to(home) else str(path)
        start = _first_bytes(path)
        if start == SQLITE_MAGIC:
            findings += _in_sqlite(path, name, texts, ids)
        elif start[:4] == PARQUET_MAGIC:
            with warehouse.read() as connection:
                rows = connection.execute(
                    f"select count(*) from read_parquet($path) as cells where {found('cells')}",  # noqa: S608 - of ours
                    {"path": str(path), "texts": list(texts)},
                ).fetchall()
            findings += [Finding(name, "rows", rows[0][0])] * (rows[0][0] > 0)
        is_database = start == SQLITE_MAGIC or path.name.startswith(own_names)
        if _is_in_bytes(path, texts, () if is_database else ids):
            findings.append(Finding(name, "bytes", 1))
    return sorted(set(findings))


def all_files(folders: Sequence[Path]) -> Iterator[Path]:
    """Every file below these folders."""
    for folder in folders:
        if folder.exists():
            yield from sorted(path for path in folder.rglob("*") if path.is_file())


def first_bytes(path: Path) -> bytes:
    """What tells the kind of a file; empty if it is gone."""
    return _first_bytes(path)


def found(row: str) -> str:
    """An SQL condition: the row of this alias holds one of the texts ``$texts``."""
    return (
        "exists (select 1 from unnest($texts::varchar[]) as wanted(text)"  # noqa: S608 - of ours
        f" where contains(lower({row}::varchar), wanted.text))"
    )


def _in_tables(
    connection: duckdb.DuckDBPyConnection, file: str, texts: Sequence[str], ids: Sequence[str]
) -> Iterator[Finding]:
    tables = connection.execute(
        "select schema_name, table_name, list(column_name) filter (data_type = 'VARCHAR'),"
        " list(column_name) filter (data_type = 'VARCHAR[]') from duckdb_columns()"
        " where database_name = current_database() and not internal and table_oid in ("
        " select table_oid from duckdb_tables()) group by all order by all"
    ).fetchall()
    for schema, table, plain, lists in tables:
        conditions = [found("cells")]
        conditions += [f"cells.{quote(name)} in $ids" for name in plain or []]
        conditions += [f"list_has_any(cells.{quote(name)}, $ids)" for name in lists or []]
        rows = connection.execute(
            f"select count(*) from {quote(schema)}.{quote(table)} as cells"  # noqa: S608 - quoted
            f" where {' or '.join(conditions)}",
            {"texts": list(texts), "ids": list(ids)} if plain or lists else {"texts": list(texts)},
        ).fetchall()
        if rows[0][0]:
            yield Finding(file, table, rows[0][0])


def _in_sqlite(
    path: Path, name: str, texts: Sequence[str], ids: Sequence[str]
) -> Iterator[Finding]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    inside = [*texts, *(f'"{each}"'.lower() for each in ids)]
    try:
        for table, columns in sqlite_columns(connection):
            conditions = [
                f"instr(lower(cast({quote(column)} as text)), ?)"
                for column in columns
                for _ in inside
            ] + [f"{quote(column)} = ?" for column in columns for _ in ids]
            if not conditions:
                continue
            ((rows,),) = connection.execute(
                f"select count(*) from {quote(table)} where {' or '.join(conditions)}",  # noqa: S608
                [*(text for _ in columns for text in inside), *(i for _ in columns for i in ids)],
            ).fetchall()
            if rows:
                yield Finding(name, table, rows)
    finally:
        connection.close()


def sqlite_columns(connection: sqlite3.Connection) -> list[tuple[str, list[str]]]:
    """The tables of a SQLite file and their columns."""
    tables = connection.execute(
        "select name from sqlite_master where type = 'table' order by name"
    ).fetchall()
    return [
        (table, [row[1] for row in connection.execute(f"pragma table_info({quote(table)})")])
        for (table,) in tables
    ]


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE_MAGIC))
    except FileNotFoundError:
        return b""


def _is_in_bytes(path: Path, texts: Sequence[str], ids: Sequence[str]) -> bool:
    wanted = [text.encode() for text in texts] + [f'"{each}"'.lower().encode() for each in ids]
    if not wanted:
        return False
    longest = max(map(len, wanted))
    tail = b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                window = tail + chunk.lower()
                if any(each in window for each in wanted):
                    return True
                tail = window[-longest:]
    except FileNotFoundError:
        return False
    return False
