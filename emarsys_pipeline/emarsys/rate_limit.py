"""Keeps all threads and processes of one API user under Emarsys's limit of requests a minute.

A request counts from the moment its slot is taken until a minute after its reply began:
the server received it somewhere in between, so no window at the server can hold more than the
limit, however long replies take. Slots live in a SQLite file that all processes open.
"""

import hashlib
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DEFAULT_LIMIT = 1000  # requests a minute and API user, until a reply says otherwise
WINDOW_SECONDS = 60.0
ABANDONED_AFTER_SECONDS = 240.0  # a slot whose process died before the reply
MAX_BLOCK_SECONDS = 90.0
MAX_SLEEP_SECONDS = 5.0
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


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """What the server said last: ``limit`` a minute, how many remain, seconds until the reset."""

    limit: int | None
    remaining: int | None
    reset_seconds: float | None


class RateLimiter:
    """Slots for requests, shared through ``path``; in memory for one process when None.

    ``window_seconds`` is Emarsys's minute; only tests make it shorter.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        window_seconds: float = WINDOW_SECONDS,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._window_seconds = window_seconds
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._process_id = os.getpid()

    def acquire(self, credential: str) -> int:
        """Wait until one more request fits, and take its slot.

        ``credential`` names the API user; only its hash is stored. Returns the slot, which must
        be given to ``release``.
        """
        key = _key(credential)
        while True:
            slot, wait_seconds = self._try(key)
            if slot is not None:
                return slot
            # many waiters would wake at the same moment, in step, without the random part
            self._sleep(min(wait_seconds, MAX_SLEEP_SECONDS) + random.uniform(0, 0.02))  # noqa: S311 not for secrets

    def release(
        self, credential: str, slot: int, status: RateLimitStatus | None = None, *, refused: bool
    ) -> None:
        """Start the slot's window: its reply has begun, or none will come.

        Args:
            credential: the same as for ``acquire``.
            slot: what ``acquire`` returned.
            status: the headers of the reply, if there was one.
            refused: the reply was a 429, so nobody sends before the reset.
        """
        key = _key(credential)
        now = self._now()
        with self._transaction() as connection:
            connection.execute(
                "update slots set expires_at = ? where slot = ?", (now + self._window_seconds, slot)
            )
            if status is None:
                return
            if status.limit is not None and status.limit > 0:
                connection.execute(
                    "insert into limits values (?, ?, 0) on conflict (credential)"
                    " do update set per_window = excluded.per_window"
                    " where per_window <> excluded.per_window",
                    (key, status.limit),
                )
            # others may use the same API user: an empty account of requests is believed
            if (refused or status.remaining == 0) and status.reset_seconds is not None:
                until = now + min(max(status.reset_seconds, 0), MAX_BLOCK_SECONDS)
                connection.execute(
                    "insert into limits values (?, ?, ?) on conflict (credential)"
                    " do update set blocked_until = max(blocked_until, excluded.blocked_until)",
                    (key, DEFAULT_LIMIT, until),
                )

    def close(self) -> None:
        """Close the file; slots taken stay counted for others."""
        with self._lock:
            if self._connection is not None and self._process_id == os.getpid():
                self._connection.close()
            self._connection = None

    def _try(self, key: str) -> tuple[int | None, float]:
        """A slot, or None and the seconds after which to ask again."""
        with self._transaction() as connection:
            now = self._now()
            # rows further ahead than any slot can be come from a clock that was set back
            connection.execute(
                "delete from slots where expires_at <= ? or expires_at > ?",
                (now, now + ABANDONED_AFTER_SECONDS + self._window_seconds),
            )
            row = connection.execute(
                "select per_window, blocked_until from limits where credential = ?", (key,)
            ).fetchone()
            limit, blocked_until = row or (DEFAULT_LIMIT, 0.0)
            if now < blocked_until <= now + MAX_BLOCK_SECONDS:
                return None, blocked_until - now
            (taken,) = connection.execute(
                "select count(*) from slots where credential = ?", (key,)
            ).fetchone()
            if taken < limit:
                cursor = connection.execute(
                    "insert into slots (credential, expires_at) values (?, ?)",
                    (key, now + ABANDONED_AFTER_SECONDS),
                )
                return cursor.lastrowid, 0.0
            (frees_at,) = connection.execute(
                "select expires_at from slots where credential = ? order by expires_at"
                " limit 1 offset ?",
                (key, taken - limit),
            ).fetchone()
            return None, max(frees_at - now, 0.0)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            connection = self._open()
            connection.execute("begin immediate")
            try:
                yield connection
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")

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


def _key(credential: str) -> str:
    return hashlib.sha256(credential.encode()).hexdigest()[:16]
