"""The inbox in a SQLite file: for one machine, and its processes."""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

BUSY_TIMEOUT_SECONDS = 30
CHECKPOINT_ATTEMPTS = 50

_HOLDS_TEXT = "instr(lower(cast(body as text)), ?) > 0"


class SqliteStore:
    """The file at ``path``; it and its folder are made when missing.

    A commit has reached the disk when it returns (write-ahead log, ``synchronous=FULL``).
    """

    holds_text: dict[str, str] = {"messages": _HOLDS_TEXT, "poison": _HOLDS_TEXT}  # noqa: RUF012 - constant

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")
        # What is deleted held personal data; without this its bytes would stay in the file.
        self._connection.execute("pragma secure_delete = on")
        with self.transaction() as connection:
            if connection.execute("pragma user_version").fetchone() == (0,):
                for statement in schema_statements():
                    connection.execute(statement)
                connection.execute("pragma user_version = 1")

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement."""
        with self._lock:
            return self._connection.execute(statement, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the file's write lock from its beginning."""
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                self._connection.execute("commit")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise

    def rows_holding(self, texts: Sequence[str], ids: Sequence[str]) -> dict[str, int]:  # noqa: ARG002
        """Nothing: the file is searched as a file."""
        return {}

    def compact(self) -> None:
        """Write the file anew and empty its log.

        Raises:
            TimeoutError: somebody reads the inbox without end.
        """
        with self._lock:
            self._connection.execute("vacuum")
            for _ in range(CHECKPOINT_ATTEMPTS):
                (is_busy, _, _) = self._connection.execute(
                    "pragma wal_checkpoint(truncate)"
                ).fetchone()
                if not is_busy:
                    return
                time.sleep(0.1)
        raise TimeoutError(f"the log of {self._path.name} is in use: stop what reads it, try again")

    def close(self) -> None:
        """Close the file; further calls fail."""
        self._connection.close()


def schema_statements() -> list[str]:
    """The statements that make the tables, for SQLite."""
    text = resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
    return [statement for statement in text.split(";\n") if statement.strip()]
