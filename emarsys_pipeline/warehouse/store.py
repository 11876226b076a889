"""The warehouse: one DuckDB file, one writer at a time, a published copy for readers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from emarsys_pipeline.warehouse import migrate, publish
from emarsys_pipeline.warehouse.locks import exclusive_lock
from emarsys_pipeline.warehouse.rewrite import rewrite_file
from emarsys_pipeline.warehouse.tombstones import add_tombstone_macro

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


class Warehouse:
    """Opens the warehouse file late and closes it early, so that no process keeps it to itself.

    Args:
        directory: the folder of ``warehouse.duckdb``, ``analytics.duckdb`` and the lock files;
            made when it is missing.
        publish_interval_seconds: the published copy is replaced at most this often.
    """

    def __init__(self, directory: Path, *, publish_interval_seconds: float = 30.0) -> None:
        self.directory = directory
        self.path = directory / "warehouse.duckdb"
        self.analytics_path = directory / "analytics.duckdb"
        self.salt_path = directory / "erasure.salt"
        self._locks = directory / "locks"
        self._published = publish.PublishedCopy(
            self.analytics_path,
            pending_marker=directory / "publish.pending",
            interval_seconds=publish_interval_seconds,
        )
        self._held_by = threading.local()

    def migrate(self) -> None:
        """Bring the schema up to date, and publish when there is no published copy yet."""
        with self._locked():
            with self._open() as connection:
                migrated = migrate.migrate(connection)
            if migrated or not self.analytics_path.exists():
                self._published.mark_pending()
                self._published.publish(self._open)

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Keep the block short and do no network work in it: everybody else waits meanwhile. After
        the commit the analysts' copy is replaced, unless that happened within the interval; then
        it is left pending for :meth:`publish_pending`.
        """
        with self._locked():
            with self._open() as connection:
                connection.begin()
                try:
                    yield connection
                except BaseException:
                    connection.rollback()
                    raise
                self._published.mark_pending()
                connection.commit()
            if self._published.is_due():
                self._published.publish(self._open)

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that sees the last commit; it waits for, and holds up, the writer."""
        with self._locked(), self._open() as connection:
            yield connection

    @contextmanager
    def read_published(self, *, schema: str = "pipeline") -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the published copy; it never waits for anybody.

        Args:
            schema: where unqualified names are looked up: ``main`` holds the analysts' views,
                ``pipeline`` the tables behind them.
        """
        connection = duckdb.connect(str(self.analytics_path), read_only=True, config=_CONFIG)
        try:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute("set search_path = $schema", {"schema": schema})
            yield connection
        finally:
            connection.close()

    @contextmanager
    def push_lock(self, account: str) -> Iterator[None]:
        """Be the only one who writes opt-in values to this Emarsys account."""
        with exclusive_lock(self._locks / f"push-{account}.lock"):
            yield

    @contextmanager
    def messaging_lock(self) -> Iterator[None]:
        """Be the only one who tells the messaging platform of contacts."""
        with exclusive_lock(self._locks / "messaging.lock"):
            yield

    def publish_pending(self, *, at_once: bool = False) -> bool:
        """Publish the last commit if it is not published yet.

        Args:
            at_once: do not wait for the interval to pass.

        Returns:
            Whether the published copy was replaced.
        """
        if not self._published.is_pending() or not (at_once or self._published.is_due()):
            return False
        with self._locked():
            # Somebody else may have published while this process waited.
            if not self._published.is_pending():
                return False
            self._published.publish(self._open)
        return True

    def rewrite(self) -> None:
        """Write both files anew, so that no byte of deleted rows is left in them.

        A kill leaves the old file or the new one. Readers of the published copy notice nothing.
        """
        with self._locked():
            rewrite_file(self.path, _CONFIG)
            self._published.mark_pending()
            self._published.publish(self._open)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if getattr(self._held_by, "this_thread", False):
            raise RuntimeError("this thread has the warehouse open already")
        with exclusive_lock(self._locks / "warehouse.lock"):
            self._held_by.this_thread = True
            try:
                yield
            finally:
                self._held_by.this_thread = False

    @contextmanager
    def _open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = duckdb.connect(str(self.path), config=_CONFIG)
        try:
            connection.execute("set TimeZone = 'UTC'")
            add_tombstone_macro(connection, self.salt_path)
            yield connection
        finally:
            connection.close()
