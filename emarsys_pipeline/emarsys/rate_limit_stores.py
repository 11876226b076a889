"""Where the slots of a rate limit are kept: a SQLite file, or a database for several machines.

The statements are the limiter's; a store begins and ends transactions, one at a time for one API
user, and tells the time by a clock that all who share it have in common.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from emarsys_pipeline.postgresql import Database

T = TypeVar("T")

SQLITE_TIMEOUT_SECONDS = 30.0

SCHEMA = """
create table if not exists slots (
    credential text not null, expires_at real not null, slot integer primary key autoincrement
);
create index if not exists slots_by_expiry on slots (credential, expires_at);
create table if not exists limits (
    credential text primary key, per_window integer not null, blocked_until real not null
);
"""


class Rows(Protocol):
    """What a statement gave."""

    def fetchall(self) -> list[Any]:
        """The rows it returns."""


class Statements(Protocol):
    """Runs statements within a transaction; question marks stand for values."""

    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> Rows:
        """Run one statement."""


class SlotStore(Protocol):
    """The tables ``slots`` and ``limits``."""

    def run(self, credential: str, work: Callable[[Statements], T]) -> T:
        """Do this in a transaction that no other of the same credential overlaps.

        It may be done again when the connection was lost, which at worst takes a slot too many.
        """

    def now(self, connection: Statements) -> float:
        """Seconds since 1970, by the clock of everybody who shares the store."""

    def close(self) -> None:
        """Let go of file or connection."""


def open_slots(place: "Path | Database | None") -> SlotStore:
    """The store at a place; in memory for one process when None."""
    if place is None or isinstance(place, Path):
        return SlotFile(place)
    from emarsys_pipeline.emarsys.rate_limit_database import SlotDatabase  # its client is an extra

    return SlotDatabase(place)


def deploy_slots(place: "Database") -> None:
    """Make the tables in a database, once for all machines; again, it does nothing."""
    from emarsys_pipeline.emarsys.rate_limit_database import deploy_slot_tables  # as above

    deploy_slot_tables(place)


class SlotFile:
    """A SQLite file that all processes of one machine open; it and its folder are made."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._process_id = os.getpid()

    def run(self, credential: str, work: Callable[[Statements], T]) -> T:  # noqa: ARG002
        """Do this in a transaction that no other overlaps."""
        with self._lock:
            connection = self._open()
            connection.execute("begin immediate")
            try:
                done = work(connection)
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")
            return done

    def now(self, connection: Statements) -> float:  # noqa: ARG002
        """The machine's clock."""
        return time.time()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None and self._process_id == os.getpid():
                self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None or self._process_id != os.getpid():
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self._path or ":memory:",
                timeout=SQLITE_TIMEOUT_SECONDS,
                isolation_level=None,
                check_same_thread=False,  # guarded by the lock
            )
            self._process_id = os.getpid()
            # no write-ahead log: switching to it fails when two processes open a new file at once;
            # losing the last second of slots in a power cut is harmless
            self._connection.execute("pragma synchronous = off")
            self._connection.executescript(SCHEMA)
        return self._connection
