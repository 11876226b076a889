"""Locks between machines, kept by PostgreSQL and gone with their holder's connection."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from emarsys_pipeline.postgresql import connect, lock_key
from emarsys_pipeline.warehouse.locks import SILENT_WAIT_SECONDS, LockLostError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AdvisoryLock:
    """A lock that this process holds as long as its session lives."""

    name: str
    session: psycopg.Connection

    def check(self) -> None:
        """Make sure that the lock is still held.

        Raises:
            LockLostError: the session has ended, so that another process may hold the lock by now.
        """
        try:
            self.session.execute("select 1")
        except psycopg.Error:
            raise LockLostError(
                f"the session that holds the lock {self.name} has ended (PostgreSQL was "
                "restarted, or the network failed): nothing more was written, run it again"
            ) from None


@contextmanager
def held(database: str, name: str) -> Iterator[AdvisoryLock]:
    """Hold the lock of this name; wait for it as long as another session holds it.

    A holder that dies in any way releases it, at the latest when PostgreSQL finds its connection
    dead.

    Raises:
        DatabaseError: PostgreSQL cannot be reached.
    """
    with connect(database) as session:
        _acquire(session, name)
        yield AdvisoryLock(name, session)


def _acquire(session: psycopg.Connection, name: str) -> None:
    started = time.monotonic()
    session.execute("select pg_advisory_lock(%s)", (lock_key(name),))
    waited = time.monotonic() - started
    if waited > SILENT_WAIT_SECONDS:
        logger.info("waited %.1f s for %s", waited, name)
