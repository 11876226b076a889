"""What the engines behind the warehouse have in common."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import duckdb

from emarsys_pipeline.warehouse.locks import HeldLock

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}

Connected = AbstractContextManager[duckdb.DuckDBPyConnection]


@dataclass(frozen=True, slots=True)
class StoredDatabase:
    """One set of tables that the engine stores, for who has to look at every row.

    Attributes:
        name: what people know it by.
        connect: a connection that sees the last commit.
    """

    name: str
    connect: Connected


@dataclass(frozen=True, slots=True, order=True)
class StoredText:
    """A text was found where the engine keeps what no table shows any more.

    Attributes:
        file: the file or table of the engine.
        place: the table, or ``bytes``.
        rows: in how many rows.
    """

    file: str
    place: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is stored, as the engine counts it.

    Attributes:
        snapshots: states that can be read.
        files: files of the newest state.
        bytes: their size.
        stored_files: files of all states, and those that wait for their removal.
    """

    snapshots: int
    files: int
    bytes: int
    stored_files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintained:
    """What a round of maintenance did.

    Attributes:
        before: what was stored before it.
        after: and after it.
        snapshots_expired: states that can be read no longer.
        files_merged: small files and files with many deleted rows whose rows are in others now.
        files_removed: files that no state needs any more.
        orphans_removed: files that no state ever needed, left by a writer that died.
    """

    before: Standing
    after: Standing
    snapshots_expired: int
    files_merged: int
    files_removed: int
    orphans_removed: int


class Engine(Protocol):
    """Where the tables are, how one writer at a time is kept, and what readers open."""

    def only_writer(self) -> AbstractContextManager[None]:
        """Be the only process that writes; wait for it as long as another does."""

    def kept_open(self) -> AbstractContextManager[None]:
        """Let this thread open what it uses once, for all its turns in the block."""

    def read(self) -> Connected:
        """A connection that sees one commit, the last one, in all of its statements."""

    def only_holder(self, name: str) -> AbstractContextManager[HeldLock]:
        """Be the only process that holds this name."""

    def connect(self) -> Connected:
        """A connection to the tables, in which unqualified names are theirs."""

    def connect_published(self, schema: str) -> Connected:
        """A connection that only reads what analysts see, and waits for nobody.

        Args:
            schema: where unqualified names are looked up: ``main`` holds the analysts' views,
                ``pipeline`` the tables behind them.
        """

    def migrate(self) -> None:
        """Bring the schema up to date. Callers hold nothing."""

    def prepare(self) -> None:
        """What a run does before it uses the tables: migrate, or see that somebody has."""

    def examine(self) -> None:
        """See whether runs would find what they need; changes nothing and waits for nobody."""

    def before_commit(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Called in a transaction that is complete, right before it commits."""

    def after_commit(self) -> None:
        """Called by the writer, with no connection open, right after a commit."""

    def publish_pending(self, *, at_once: bool) -> bool:
        """Let readers see the last commit; whether anything had to be done for that."""

    def write_copy(self, path: Path) -> None:
        """Write what analysts see into one DuckDB file, replaced in one step."""

    def rewrite(self) -> None:
        """Leave no byte of deleted rows in what is stored."""

    @property
    def needs_maintenance(self) -> bool:
        """Whether what is stored grows unless somebody maintains it."""

    def maintain(self, *, keep_snapshots: timedelta, files_stay: timedelta) -> Maintained | None:
        """Remove what no reader needs; None where nothing ever has to be done."""

    def make_salt(self) -> None:
        """Make the salt of the tombstones unless it is there."""

    @property
    def published_at(self) -> datetime | None:
        """When what analysts see was last replaced; None while there is nothing to see."""

    @property
    def published_name(self) -> str:
        """What analysts open, as people know it; without secrets."""

    @property
    def own_files(self) -> Collection[Path]:
        """Files of this machine that only the engine may change."""

    def databases(self) -> Sequence[StoredDatabase]:
        """Everything that is stored and exists."""

    def remains(self, texts: Sequence[str]) -> Sequence[StoredText]:
        """Where texts (in lower case) are left outside the tables and the own files."""
