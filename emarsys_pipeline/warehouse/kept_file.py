"""A file and its lock, kept by one thread from one transaction to the next."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import duckdb

TURN_SECONDS = 5.0
"""After this long, others who wait get their turn; mapping one large segment takes about as long.

A decision must reach Emarsys in a minute.
"""

WAKING_SECONDS = 0.02
"""The kernel wakes who waits for a lock, and then gives it to whoever asks first."""


class KeptFile:
    """What one thread keeps; nothing is taken before it is used.

    DuckDB has one instance per file in a process, which lives as long as its last connection: a
    connection that does nothing keeps it, so that others open in no time, and close without a
    checkpoint.

    Args:
        lock: the lock that the file is opened under.
        connect: opens the file.
    """

    def __init__(
        self,
        lock: Callable[[], AbstractContextManager[object]],
        connect: Callable[[], duckdb.DuckDBPyConnection],
    ) -> None:
        self._lock = lock
        self._connect = connect
        self._held = ExitStack()
        self._held_since: float | None = None
        self._idle: duckdb.DuckDBPyConnection | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the lock in this block, and keep it for the next one; an error lets go of all."""
        if self._held_since is not None and time.monotonic() - self._held_since > TURN_SECONDS:
            self.let_go()
            time.sleep(WAKING_SECONDS)
        if self._held_since is None:
            self._held.enter_context(self._lock())
            self._held_since = time.monotonic()
        try:
            yield
        except BaseException:
            # Some errors make DuckDB's instance useless, or leave something attached to it.
            self.let_go()
            raise

    def keep(self) -> None:
        """Keep the file open from now on. Called in a turn."""
        if self._idle is None:
            self._idle = self._connect()

    def close(self) -> None:
        """Close the file, and keep only the lock."""
        if self._idle is not None:
            self._idle.close()
            self._idle = None

    def let_go(self) -> None:
        """Close the file, then release the lock."""
        try:
            self.close()
        finally:
            self._held.close()
            self._held_since = None
