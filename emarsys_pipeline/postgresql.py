"""Connections to PostgreSQL for what several machines share: inbox, rate limits, locks.

A connection is opened when it is first used and again after it was lost, so nobody has to be
restarted after a restart of the database. Nothing here knows what is kept there.
"""

import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

CONNECT_SECONDS = 10
RECONNECT_PAUSE_SECONDS = 0.2

# A peer that vanished without closing its connection is noticed after 10 + 3 * 5 seconds, by the
# server and by us: else a dead machine would hold its locks for hours.
_KEEPALIVES: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_TCP_TIMEOUT_MS = 25_000
_SERVER_SETTINGS = {
    **{f"tcp_{name}": str(value) for name, value in _KEEPALIVES.items()},
    "tcp_user_timeout": str(_TCP_TIMEOUT_MS),
    # Also while it waits for a lock.
    "client_connection_check_interval": "10s",
}

# Found by others in pg_stat_activity.
APPLICATION = "emarsys_pipeline"


class DatabaseError(Exception):
    """PostgreSQL cannot do what is asked; the text says why and repeats no password."""


class DatabaseLostError(DatabaseError):
    """The connection broke within a transaction: it is not known whether it was committed."""


@dataclass(frozen=True, slots=True)
class Database:
    """A schema of a PostgreSQL database.

    Args:
        address: libpq's connection string; may hold a password.
        schema: made by the deploy step of what is kept in it.
    """

    address: str = field(repr=False)
    schema: str


class Statements:
    """A connection on which statements run with question marks for values, as in SQLite."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> "psycopg.Cursor[Any]":
        """Run one statement; no statement of ours holds a question or percent mark of its own."""
        query = statement.replace("?", "%s").encode()
        return self._connection.execute(query, parameters or None)


class Session:
    """One connection to a database, for one process and one thread at a time.

    Args:
        database: where.
        settings: PostgreSQL's parameters for the connection, by name.
        patience_seconds: how long to go on trying to connect.
    """

    def __init__(
        self,
        database: Database,
        *,
        settings: Mapping[str, str] | None = None,
        patience_seconds: float,
    ) -> None:
        self._database = database
        self._settings = {
            "search_path": sql.Identifier(database.schema).as_string(),
            "default_transaction_isolation": "read committed",
            **(settings or {}),
        }
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._connection: psycopg.Connection | None = None
        self._process_id = os.getpid()

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement that may be repeated; it is a transaction of its own.

        Raises:
            DatabaseError: no connection, or what is asked for was never deployed.
        """
        with self._lock, _explained(self._database):
            try:
                return self._query(statement, parameters)
            except psycopg.Error:
                # A connection may have died since it was last used: that shows only now.
                if not self._is_lost:
                    raise
            return self._query(statement, parameters)

    @contextmanager
    def transaction(self, begin: str = "") -> Iterator[Statements]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Args:
            begin: statements without values that run first, such as taking a lock.

        Raises:
            DatabaseLostError: the connection broke while the block or the commit ran.
            DatabaseError: no connection, or what is asked for was never deployed.
        """
        with self._lock, _explained(self._database):
            try:
                connection = self._begin(begin)
            except psycopg.Error:
                if not self._is_lost:
                    raise
                connection = self._begin(begin)
            try:
                yield Statements(connection)
                connection.execute("commit")
            except psycopg.OperationalError as error:
                if not connection.closed:
                    raise
                raise DatabaseLostError(
                    f"the connection to PostgreSQL broke ({type(error).__name__}): do it again"
                ) from None
            finally:
                # The server rolls back what a closed connection left open.
                if connection.info.transaction_status is not TransactionStatus.IDLE:
                    self._drop()

    def close(self) -> None:
        """Close the connection; the next call would open another."""
        with self._lock:
            self._drop()

    @property
    def _is_lost(self) -> bool:
        return self._connection is None or self._connection.closed

    def _query(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        cursor = Statements(self._opened()).execute(statement, parameters)
        return cursor.fetchall() if cursor.description is not None else []

    def _begin(self, begin: str) -> psycopg.Connection:
        connection = self._opened()
        try:
            connection.execute(f"begin; {begin}".encode())
        except psycopg.Error:
            self._drop()
            raise
        return connection

    def _opened(self) -> psycopg.Connection:
        if self._process_id != os.getpid():
            # A child of a fork shares the parent's socket and may neither use nor close it.
            self._connection = None
            self._process_id = os.getpid()
        if self._connection is None or self._connection.closed:
            self._connection = None
            self._connection = connect(
                self._database.address,
                settings=self._settings,
                patience_seconds=self._patience_seconds,
            )
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._process_id == os.getpid():
            connection.close()


def connect(
    address: str, *, settings: Mapping[str, str] | None = None, patience_seconds: float = 0
) -> psycopg.Connection:
    """A connection of its own, committing each statement unless told to begin a transaction.

    Raises:
        DatabaseError: there was none within the time; the text repeats no password.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            connection = psycopg.connect(
                address,
                autocommit=True,
                application_name=APPLICATION,
                connect_timeout=CONNECT_SECONDS,
                tcp_user_timeout=_TCP_TIMEOUT_MS,
                **_KEEPALIVES,
            )
            break
        except psycopg.OperationalError as error:
            if time.monotonic() >= deadline:
                raise DatabaseError(
                    "PostgreSQL cannot be reached: see that it runs and that the connection "
                    f"string is right ({type(error).__name__})"
                ) from None
            time.sleep(RECONNECT_PAUSE_SECONDS)
    try:
        settings = {**_SERVER_SETTINGS, **(settings or {})}
        calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
        connection.execute(f"select {calls}".encode(), [*chain(*settings.items())])
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _explained(database: Database) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.UndefinedTable:
        raise DatabaseError(
            f"the database has no tables for this in its schema {database.schema}: make them with "
            "emarsys-pipeline migrate, once for all machines"
        ) from None


def lock_key(*names: str) -> int:
    """The number that an advisory lock of this name has, the same on every machine."""
    digest = hashlib.sha256("/".join(names).encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def deploy(database: Database, schema_name: str, statements: Sequence[str]) -> None:
    """Make a schema and run the statements that fill it, if that was not done before.

    Deploy steps of several machines take turns: PostgreSQL lets none but the first of several
    that make the same things at once succeed.

    Args:
        database: where.
        schema_name: what the tables are for, told to whoever looks at the schema.
        statements: without values; they run in the new schema, in one transaction.
    """
    schema = sql.Identifier(database.schema)
    with connect(database.address) as connection:
        connection.execute("begin")
        key = lock_key(APPLICATION, "deploy")
        connection.execute("select pg_advisory_xact_lock(%s)", (key,))
        found = connection.execute(
            "select 1 from pg_namespace where nspname = %s", (database.schema,)
        ).fetchone()
        if found is None:
            connection.execute(sql.SQL("create schema {}").format(schema))
            connection.execute(
                sql.SQL("comment on schema {} is {}").format(schema, sql.Literal(schema_name))
            )
            connection.execute(sql.SQL("set local search_path to {}").format(schema))
            for statement in statements:
                connection.execute(statement.encode())
        connection.execute("commit")
