"""Where an inbox can be: a SQLite file of one machine, or a database that several machines share.

A store runs the statements of the inbox, which both engines understand, and knows what they do
differently.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emarsys_pipeline.inbox.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from emarsys_pipeline.postgresql import Database


class Rows(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchall(self) -> list[Any]:
        """The rows it returns."""


class Statements(Protocol):
    """Runs statements within a transaction; question marks stand for values."""

    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> Rows:
        """Run one statement."""


class Store(Protocol):
    """The tables of an inbox."""

    @property
    def holds_text(self) -> dict[str, str]:
        """By table: the condition that the bytes of ``body`` hold a text, in either case.

        The text is the condition's one value, in lower case.
        """

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement that changes nothing."""

    def transaction(self) -> AbstractContextManager[Statements]:
        """A transaction that is alone in writing, durable when the block has ended."""

    def rows_holding(self, texts: Sequence[str], ids: Sequence[str]) -> dict[str, int]:
        """By table: the rows that hold a text anywhere, or an id as a whole value.

        Only of a store that is no file, since files are searched as files.
        """

    def compact(self) -> None:
        """Write everything anew, so that no byte is left of what was deleted.

        Raises:
            TimeoutError: somebody reads the inbox without end.
        """

    def close(self) -> None:
        """Let go of file or connection."""


def open_store(place: "Path | Database") -> Store:
    """The store at a place: a path is SQLite's, made when missing."""
    if isinstance(place, Path):
        return SqliteStore(place)
    from emarsys_pipeline.inbox.postgres_store import PostgresStore  # its client is an extra

    return PostgresStore(place)


def deploy_store(place: "Database") -> None:
    """Make the tables of an inbox in a database, once for all machines; again, it does nothing."""
    from emarsys_pipeline.inbox.postgres_store import deploy_inbox  # its client is an extra

    deploy_inbox(place)
