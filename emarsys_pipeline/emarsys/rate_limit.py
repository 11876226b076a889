"""Keeps all threads and processes of one API user under Emarsys's limit of requests a minute.

A request counts from the moment its slot is taken until a minute after its reply began:
the server received it somewhere in between, so no window at the server can hold more than the
limit, however long replies take. Slots live in a SQLite file that all processes open, or in
PostgreSQL, for the processes of several machines.
"""

import hashlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emarsys_pipeline.emarsys.rate_limit_stores import Statements, open_slots

if TYPE_CHECKING:
    from emarsys_pipeline.postgresql import Database

DEFAULT_LIMIT = 1000  # requests a minute and API user, until a reply says otherwise
WINDOW_SECONDS = 60.0
ABANDONED_AFTER_SECONDS = 240.0  # a slot whose process died before the reply
MAX_BLOCK_SECONDS = 90.0
MAX_SLEEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """What the server said last: ``limit`` a minute, how many remain, seconds until the reset."""

    limit: int | None
    remaining: int | None
    reset_seconds: float | None


class RateLimiter:
    """Slots for requests, shared by all who name the same place.

    Args:
        place: a SQLite file, made with its folder; a database in which ``deploy_slots`` has made
            the tables; in memory for one process when None.
        window_seconds: Emarsys's minute; only tests make it shorter.
        now: the clock, in seconds since 1970; None for the one that the place gives to all.
        sleep: waits for a slot.
    """

    def __init__(
        self,
        place: "Path | Database | None" = None,
        *,
        window_seconds: float = WINDOW_SECONDS,
        now: Callable[[], float] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = open_slots(place)
        self._window_seconds = window_seconds
        self._clock = now
        self._sleep = sleep

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

        def record(connection: Statements) -> None:
            now = self._now(connection)
            connection.execute(
                "update slots set expires_at = ? where slot = ?", (now + self._window_seconds, slot)
            )
            if status is None:
                return
            if status.limit is not None and status.limit > 0:
                connection.execute(
                    "insert into limits values (?, ?, 0) on conflict (credential)"
                    " do update set per_window = excluded.per_window"
                    " where limits.per_window <> excluded.per_window",
                    (key, status.limit),
                )
            # others may use the same API user: an empty account of requests is believed
            if (refused or status.remaining == 0) and status.reset_seconds is not None:
                until = now + min(max(status.reset_seconds, 0), MAX_BLOCK_SECONDS)
                connection.execute(
                    "insert into limits values (?, ?, ?) on conflict (credential)"
                    " do update set blocked_until = excluded.blocked_until"
                    " where limits.blocked_until < excluded.blocked_until",
                    (key, DEFAULT_LIMIT, until),
                )

        self._store.run(key, record)

    def close(self) -> None:
        """Close file or connection; slots taken stay counted for others."""
        self._store.close()

    def _now(self, connection: Statements) -> float:
        return self._store.now(connection) if self._clock is None else self._clock()

    def _try(self, key: str) -> tuple[int | None, float]:
        """A slot, or None and the seconds after which to ask again."""

        def take(connection: Statements) -> tuple[int | None, float]:
            now = self._now(connection)
            # rows further ahead than any slot can be come from a clock that was set back
            connection.execute(
                "delete from slots where credential = ? and (expires_at <= ? or expires_at > ?)",
                (key, now, now + ABANDONED_AFTER_SECONDS + self._window_seconds),
            )
            limit, blocked_until = DEFAULT_LIMIT, 0.0
            for row in connection.execute(
                "select per_window, blocked_until from limits where credential = ?", (key,)
            ).fetchall():
                limit, blocked_until = row
            if now < blocked_until <= now + MAX_BLOCK_SECONDS:
                return None, blocked_until - now
            ((taken,),) = connection.execute(
                "select count(*) from slots where credential = ?", (key,)
            ).fetchall()
            if taken < limit:
                ((slot,),) = connection.execute(
                    "insert into slots (credential, expires_at) values (?, ?) returning slot",
                    (key, now + ABANDONED_AFTER_SECONDS),
                ).fetchall()
                return int(slot), 0.0
            ((frees_at,),) = connection.execute(
                "select expires_at from slots where credential = ? order by expires_at"
                " limit 1 offset ?",
                (key, taken - limit),
            ).fetchall()
            return None, max(frees_at - now, 0.0)

        return self._store.run(key, take)


def _key(credential: str) -> str:
    return hashlib.sha256(credential.encode()).hexdigest()[:16]
