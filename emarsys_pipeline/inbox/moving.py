"""Moving an inbox from its file into PostgreSQL, checked row by row."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from emarsys_pipeline.inbox.sqlite_store import SqliteStore
from emarsys_pipeline.inbox.stores import Statements

if TYPE_CHECKING:
    from emarsys_pipeline.postgresql import Database

TABLES = ("messages", "poison")
BATCH = 1000


class InboxNotEmptyError(Exception):
    """The inbox in PostgreSQL holds other messages than the file."""


def move_inbox(path: Path, database: "Database") -> dict[str, int]:
    """Copy all rows of the file with their sequences, in one transaction; the file stays.

    Messages that come later get higher sequences than any that the file has ever given. A second
    call only compares.

    Args:
        path: the file; nobody else can write it meanwhile.
        database: where the deploy step has made the tables.

    Returns:
        The number of rows by table.

    Raises:
        InboxNotEmptyError: nothing was moved.
    """
    from emarsys_pipeline.inbox.postgres_store import PostgresStore  # its client is an extra

    source, target = SqliteStore(path), PostgresStore(database)
    try:
        with source.transaction() as reading, target.transaction() as writing:
            return {table: _move(reading, writing, table) for table in TABLES}
    finally:
        source.close()
        target.close()


def _move(reading: Statements, writing: Statements, table: str) -> int:
    columns = [row[1] for row in reading.execute(f"pragma table_info({table})").fetchall()]
    names = ", ".join(columns)
    wanted = _digest(reading, table, names)
    found = _digest(writing, table, names)
    if found[0] and found != wanted:
        raise InboxNotEmptyError(
            f"the inbox in PostgreSQL holds other {table} than the file: it is in use already. To "
            "move the file nevertheless, name another schema_name in lake"
        )
    if found != wanted:
        for batch in _batches(reading, table, names):
            row = f"({', '.join('?' * len(columns))})"
            writing.execute(
                f"insert into {table} ({names}) overriding system value"  # noqa: S608  # our own names
                f" values {', '.join([row] * len(batch))}",
                [value for values in batch for value in values],
            )
        found = _digest(writing, table, names)
        if found != wanted:
            raise InboxNotEmptyError(f"{table} did not arrive as they are: nothing was moved")
    for (last,) in reading.execute(
        "select seq from sqlite_sequence where name = ?", (table,)
    ).fetchall():
        writing.execute(
            "select setval(pg_get_serial_sequence(?, 'sequence'), ?)",
            (table, last),
        )
    return wanted[0]


def _digest(statements: Statements, table: str, names: str) -> tuple[int, str]:
    rows, digest = 0, hashlib.sha256()
    for batch in _batches(statements, table, names):
        rows += len(batch)
        for values in batch:
            digest.update(repr(values).encode())
    return rows, digest.hexdigest()


def _batches(statements: Statements, table: str, names: str) -> Iterator[list[tuple[object, ...]]]:
    last = 0
    while batch := statements.execute(
        f"select sequence, {names} from {table}"  # noqa: S608  # our own names
        f" where sequence > ? order by sequence limit {BATCH}",
        (last,),
    ).fetchall():
        last = batch[-1][0]
        yield [tuple(values[1:]) for values in batch]
