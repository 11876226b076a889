"""The default engine: one DuckDB file on this machine, and a published copy for readers."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from emarsys_pipeline.warehouse import migrate, publish
from emarsys_pipeline.warehouse.engine import CONFIG, Maintained, StoredDatabase, StoredText
from emarsys_pipeline.warehouse.kept_file import KeptFile
from emarsys_pipeline.warehouse.locks import HeldLock, exclusive_lock
from emarsys_pipeline.warehouse.rewrite import rewrite_file
from emarsys_pipeline.warehouse.tombstones import add_tombstone_macro, make_salt_file, read_salt


class FileEngine:
    """Opens the file late and closes it early, so that no process keeps it to itself.

    Args:
        directory: the folder of ``warehouse.duckdb``, ``analytics.duckdb`` and the lock files;
            made when it is missing.
        publish_interval_seconds: the published copy is replaced at most this often.
    """

    def __init__(self, directory: Path, *, publish_interval_seconds: float) -> None:
        self.path = directory / "warehouse.duckdb"
        self.analytics_path = directory / "analytics.duckdb"
        self.salt_path = directory / "erasure.salt"
        self._locks = directory / "locks"
        self._published = publish.PublishedCopy(
            self.analytics_path,
            pending_marker=directory / "publish.pending",
            interval_seconds=publish_interval_seconds,
        )
        self._of_thread = _OfThread()

    @contextmanager
    def only_writer(self) -> Iterator[None]:
        """Hold the file's lock; a second call of the same thread would wait for itself."""
        self._refuse_nesting()
        kept = self._of_thread.kept
        with self._lock() if kept is None else kept.turn():
            self._of_thread.is_inside = True
            try:
                yield
            finally:
                self._of_thread.is_inside = False

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Let this thread keep lock and file between its turns, so that it opens once for many."""
        self._refuse_nesting()
        if self._of_thread.kept is not None:
            raise RuntimeError("this thread keeps the warehouse open already")
        kept = KeptFile(self._lock, self._open)
        self._of_thread.kept = kept
        try:
            yield
        finally:
            self._of_thread.kept = None
            kept.let_go()

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """DuckDB lets one process open a file that somebody writes: readers take their turn."""
        with self.only_writer(), self.connect() as connection:
            yield connection

    def only_holder(self, name: str) -> AbstractContextManager[HeldLock]:
        """Be the only process of this machine that holds this name."""
        return exclusive_lock(self._locks / f"{name}.lock")

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the file, with its own temporary tables."""
        if self._of_thread.kept is not None:
            self._of_thread.kept.keep()
        connection = self._open()
        try:
            # These belong to the instance, which outlives the connection while it is kept open.
            connection.execute("reset threads")
            connection.execute("reset memory_limit")
            connection.execute("set TimeZone = 'UTC'")
            add_tombstone_macro(connection, read_salt(self.salt_path))
            yield connection
        finally:
            connection.close()

    @contextmanager
    def connect_published(self, schema: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the published copy."""
        connection = duckdb.connect(str(self.analytics_path), read_only=True, config=CONFIG)
        try:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute("set search_path = $schema", {"schema": schema})
            yield connection
        finally:
            connection.close()

    def migrate(self) -> None:
        """Bring the schema up to date, and publish when there is no published copy yet."""
        with self.only_writer():
            with self.connect() as connection:
                migrated = migrate.migrate(connection)
            if migrated or not self.analytics_path.exists():
                self._published.mark_pending()
                self._published.publish(self.connect)

    def prepare(self) -> None:
        """Migrate: whoever runs first on this machine makes the file."""
        self.migrate()

    def examine(self) -> None:
        """Nothing: whoever runs first on this machine makes the file."""

    def before_commit(self, connection: duckdb.DuckDBPyConnection) -> None:  # noqa: ARG002
        """Note that there is something to publish, so that a kill after the commit is seen."""
        self._published.mark_pending()

    def after_commit(self) -> None:
        """Replace the published copy, unless that happened within the interval."""
        if self._published.is_due():
            self._published.publish(self.connect)

    def publish_pending(self, *, at_once: bool) -> bool:
        """Replace the published copy if it lacks the last commit."""
        if not self._published.is_pending() or not (at_once or self._published.is_due()):
            return False
        with self.only_writer():
            # Somebody else may have published while this process waited.
            if not self._published.is_pending():
                return False
            self._published.publish(self.connect)
        return True

    def write_copy(self, path: Path) -> None:
        """Write another copy than the published one."""
        with self.only_writer():
            publish.write_copy(self.connect, path)

    def rewrite(self) -> None:
        """Write both files anew.

        A kill leaves the old file or the new one. Readers of the published copy notice nothing.
        """
        with self.only_writer():
            if self._of_thread.kept is not None:
                # It would go on with the file that is replaced.
                self._of_thread.kept.close()
            rewrite_file(self.path, CONFIG)
            self._published.mark_pending()
            self._published.publish(self.connect)

    @property
    def needs_maintenance(self) -> bool:
        """A file holds one state, and uses the room of deleted rows again."""
        return False

    def maintain(self, *, keep_snapshots: timedelta, files_stay: timedelta) -> Maintained | None:  # noqa: ARG002
        """Nothing: see :attr:`needs_maintenance`."""
        return None

    def make_salt(self) -> None:
        """Make the salt's file unless it is there."""
        make_salt_file(self.salt_path)

    @property
    def published_at(self) -> datetime | None:
        """When the published copy was last replaced."""
        try:
            return datetime.fromtimestamp(self.analytics_path.stat().st_mtime, tz=UTC)
        except FileNotFoundError:
            return None

    @property
    def published_name(self) -> str:
        """The path of the published copy."""
        return str(self.analytics_path)

    @property
    def own_files(self) -> list[Path]:
        """Both databases and the salt."""
        return [self.path, self.analytics_path, self.salt_path]

    def databases(self) -> list[StoredDatabase]:
        """The tables, and their published copy."""
        stored = []
        if self.path.exists():
            stored.append(StoredDatabase(self.path.name, self.read()))
        if self.analytics_path.exists():
            stored.append(
                StoredDatabase(self.analytics_path.name, self.connect_published("pipeline"))
            )
        return stored

    def remains(self, texts: Sequence[str]) -> list[StoredText]:  # noqa: ARG002
        """Nothing is stored anywhere but in the own files."""
        return []

    def _open(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.path), config=CONFIG)

    def _lock(self) -> AbstractContextManager[HeldLock]:
        return exclusive_lock(self._locks / "warehouse.lock")

    def _refuse_nesting(self) -> None:
        if self._of_thread.is_inside:
            raise RuntimeError("this thread has the warehouse open already")


class _OfThread(threading.local):
    """What the calling thread does: whether it is in a turn, and what it keeps between two."""

    is_inside = False
    kept: KeptFile | None = None
