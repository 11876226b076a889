"""Locks between processes of one host, kept by the kernel and gone with their holder.

``flock`` is used rather than a polling library because the kernel wakes its waiters: under
constant writing a polled lock was seen to starve a process for seconds.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

logger = logging.getLogger(__name__)

SILENT_WAIT_SECONDS = 1.0


class LockLostError(Exception):
    """A lock is no longer held, so that somebody else may hold it by now."""


class HeldLock(Protocol):
    """A lock while it is held."""

    def check(self) -> None:
        """Make sure that the lock is still held.

        Raises:
            LockLostError: it is not.
        """


class KernelLock:
    """A lock that its process holds until it lets go or dies: it cannot be lost."""

    def check(self) -> None:
        """It is held."""


@contextmanager
def exclusive_lock(path: Path) -> Iterator[HeldLock]:
    """Hold the lock that this file stands for; wait for it as long as another holds it.

    Threads of one process exclude each other as well, since each call opens the file anew.
    A holder that dies in any way releases the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(descriptor, path)
        yield KernelLock()
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        started = time.monotonic()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        waited = time.monotonic() - started
        if waited > SILENT_WAIT_SECONDS:
            logger.info("waited %.1f s for %s", waited, path.name)
