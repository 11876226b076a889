"""Taking messages out of the inbox for good: for erasure and for retention.

Deleted content is overwritten (``secure_delete``), the file is written anew, and the write-ahead
log is emptied, so that no byte of it is left. The webhook service may be running meanwhile.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from emarsys_pipeline.inbox.messages import Kind
from emarsys_pipeline.inbox.queue import BUSY_TIMEOUT_SECONDS, EPOCH, MICROSECOND

CHECKPOINT_ATTEMPTS = 50


def redact(path: Path, texts: Sequence[str], redacted: Callable[[str], str]) -> tuple[int, int]:
    """Replace texts in the bodies that hold them, and delete unreadable bodies that do.

    Args:
        path: the inbox's file.
        texts: what to look for, in lower case.
        redacted: the body without them.

    Returns:
        How many messages were changed, and how many unreadable bodies deleted.
    """
    if not texts or not path.exists():
        return 0, 0
    condition = " or ".join(["instr(lower(cast(body as text)), ?)"] * len(texts))
    with _opened(path) as connection:
        found = connection.execute(
            f"select sequence, body from messages where {condition}",  # noqa: S608 - constants
            tuple(texts),
        ).fetchall()
        connection.executemany(
            "update messages set body = ? where sequence = ?",
            [(redacted(body), sequence) for sequence, body in found],
        )
        deleted = connection.execute(
            f"delete from poison where {condition}",  # noqa: S608 - constants
            tuple(texts),
        ).rowcount
        return len(found), deleted


def delete_old_messages(path: Path, kinds: Sequence[Kind], before: datetime) -> int:
    """Delete messages of these kinds that were received before a moment; how many there were."""
    if not path.exists():
        return 0
    marks = ", ".join("?" * len(kinds))
    with _opened(path) as connection:
        return connection.execute(
            f"delete from messages where kind in ({marks}) and received_at < ?",  # noqa: S608
            (*kinds, (before - EPOCH) // MICROSECOND),
        ).rowcount


def delete_old_poison(path: Path, before: datetime) -> int:
    """Delete unreadable bodies that last came before a moment; how many there were."""
    if not path.exists():
        return 0
    with _opened(path) as connection:
        return connection.execute(
            "delete from poison where last_received_at < ?", ((before - EPOCH) // MICROSECOND,)
        ).rowcount


def compact(path: Path) -> None:
    """Write the file anew and empty its log.

    Raises:
        TimeoutError: somebody reads the inbox without end.
    """
    if not path.exists():
        return
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
    try:
        connection.execute("vacuum")
        for _ in range(CHECKPOINT_ATTEMPTS):
            (is_busy, _, _) = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
            if not is_busy:
                return
            time.sleep(0.1)
    finally:
        connection.close()
    raise TimeoutError(f"the log of {path.name} is in use: stop what reads it, and try again")


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction of a connection that overwrites what it deletes."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
    try:
        connection.execute("pragma secure_delete = on")
        connection.execute("begin immediate")
        yield connection
        connection.execute("commit")
    finally:
        connection.close()
