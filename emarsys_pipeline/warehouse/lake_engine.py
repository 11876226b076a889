"""The engine for several machines: a DuckLake, its catalogue in PostgreSQL.

Readers see a snapshot and wait for nobody. Writers take turns under an advisory lock of PostgreSQL:
DuckLake refuses two transactions that touch one table, and two that fill the same new partition
would both commit (https://github.com/duckdb/ducklake, issue 1393).
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
from psycopg.conninfo import make_conninfo

from emarsys_pipeline.postgresql import APPLICATION, connect
from emarsys_pipeline.warehouse import lake_maintenance, lake_salt, migrate, publish
from emarsys_pipeline.warehouse.engine import Maintained, StoredDatabase, StoredText
from emarsys_pipeline.warehouse.lake import LakeError, LakeLocation
from emarsys_pipeline.warehouse.lake_erasing import find_remains, forget_history
from emarsys_pipeline.warehouse.lake_instance import connected
from emarsys_pipeline.warehouse.lake_locks import AdvisoryLock, held
from emarsys_pipeline.warehouse.lake_views import ANALYSTS_SCHEMA, refresh_analysts_views
from emarsys_pipeline.warehouse.sql import quote
from emarsys_pipeline.warehouse.tombstones import add_tombstone_macro

_SCHEMAS = {"main": ANALYSTS_SCHEMA, "pipeline": "main"}


class LakeEngine:
    """The tables in a lake that several machines write.

    Args:
        location: where the catalogue and the files are.
    """

    def __init__(self, location: LakeLocation) -> None:
        self._location = replace(location, database=make_conninfo(location.database))
        self._database = self._location.database
        self._of_thread = threading.local()
        self._is_ready = False

    @contextmanager
    def only_writer(self) -> Iterator[None]:
        """Hold the writers' lock; a second call of the same thread would wait for itself."""
        with self._once(), held(self._database, self._lock_name("writer")) as lock:
            self._of_thread.lock = lock
            try:
                yield
            finally:
                self._of_thread.lock = None

    def kept_open(self) -> AbstractContextManager[None]:
        """Nothing: a process keeps its instance anyway, and holds the lock as it needs it."""
        return nullcontext()

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to one snapshot; it waits for nobody."""
        with self._once(), self.connect() as connection:
            connection.begin()
            yield connection

    def only_holder(self, name: str) -> AbstractContextManager[AdvisoryLock]:
        """Be the only process on any machine that holds this name."""
        return held(self._database, self._lock_name(name))

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the lake."""
        with connected(self._location) as (connection, lake):
            connection.execute(f"use {lake}.main")
            add_tombstone_macro(connection, self._salt())
            yield connection

    @contextmanager
    def connect_published(self, schema: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that only reads: of a lake, every commit is published."""
        with connected(self._location, read_only=True) as (connection, lake):
            connection.execute(f"use {lake}.{_SCHEMAS[schema]}")
            connection.begin()
            yield connection

    def migrate(self) -> None:
        """Make the catalogue if there is none, and bring the schema up to date.

        Two machines that make a catalogue at once would fail: they take turns.
        """
        with self.only_writer():
            with connect(self._database) as catalogue:
                schema = quote(self._location.catalogue_schema)
                catalogue.execute(f"create schema if not exists {schema}".encode())
                lake_salt.make_place(catalogue, self._location.catalogue_schema)
            with connected(self._location, create=True) as (connection, lake):
                connection.execute(f"use {lake}.main")
                migrate.migrate(connection, then=refresh_analysts_views)

    def prepare(self) -> None:
        """See that the deploy step has made the schema that this package needs."""
        if not self._is_ready:
            self.examine()
        self._is_ready = True

    def examine(self) -> None:
        """Sign in to PostgreSQL, and read from the data path which migrations were applied."""
        try:
            with self.connect() as connection:
                lacking = migrate.missing_migrations(connection)
        except duckdb.Error as error:
            raise LakeError(
                "the lake cannot be read: see that PostgreSQL runs, that the files at "
                f"{self._location.data_path} are there, and that the store's address and keys are "
                f"right ({type(error).__name__})"
            ) from None
        if lacking:
            raise LakeError(
                f"the lake's schema lacks {lacking[0]}: run emarsys-pipeline migrate once, with "
                "the version that the workers have"
            )

    def before_commit(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Add new properties to the analysts' views, and make sure that nobody else may write."""
        refresh_analysts_views(connection, only_new=True)
        lock: AdvisoryLock = self._of_thread.lock
        lock.check()

    def after_commit(self) -> None:
        """A commit of a lake is published."""

    def publish_pending(self, *, at_once: bool) -> bool:  # noqa: ARG002
        """A commit of a lake is published."""
        return False

    def write_copy(self, path: Path) -> None:
        """Write the newest snapshot; the lake's writers and readers go on meanwhile."""
        publish.write_copy(self.connect, path)

    def rewrite(self) -> None:
        """Write files with deleted rows anew, and let go of all older snapshots and their files.

        A reader of an older snapshot, on any machine, fails; it can ask again.
        """
        with self.only_writer(), connect(self._database) as catalogue:
            with connected(self._location) as (connection, lake):
                forget_history(connection, lake, catalogue, self._location.catalogue_schema)
            lock: AdvisoryLock = self._of_thread.lock
            lock.check()

    @property
    def needs_maintenance(self) -> bool:
        """Every commit adds files and a state."""
        return True

    def maintain(self, *, keep_snapshots: timedelta, files_stay: timedelta) -> Maintained:
        """Write many small files as few, and let go of old states and of files nobody needs.

        Writers wait for single steps, readers of the newest state for nothing; who reads a state
        that is older than ``keep_snapshots`` may fail.
        """
        now = datetime.now(UTC)
        with connect(self._database) as catalogue:
            return lake_maintenance.maintain(
                lambda: lake_maintenance.standing(catalogue, self._location.catalogue_schema),
                read=lambda: connected(self._location),
                write=self._connected_alone,
                expire_before=now - keep_snapshots,
                remove_before=now - files_stay,
            )

    @contextmanager
    def _connected_alone(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        with self.only_writer(), connected(self._location) as connection_and_name:
            yield connection_and_name

    def make_salt(self) -> None:
        """Make the salt in the catalogue unless it is there."""
        with connect(self._database) as catalogue:
            lake_salt.make_salt(catalogue, self._location.catalogue_schema)

    @property
    def published_at(self) -> datetime | None:
        """When the lake was last written."""
        with connect(self._database) as catalogue:
            schema = quote(self._location.catalogue_schema)
            there = catalogue.execute(
                "select to_regclass(%s)", (f"{schema}.ducklake_snapshot",)
            ).fetchone()
            if there is None or there[0] is None:
                return None
            newest = f"select max(snapshot_time) from {schema}.ducklake_snapshot"  # noqa: S608
            row = catalogue.execute(newest.encode()).fetchone()
        return None if row is None or row[0] is None else row[0].astimezone(UTC)

    @property
    def published_name(self) -> str:
        """Where the lake's files are."""
        return f"the lake {self._location.data_path}"

    @property
    def own_files(self) -> list[Path]:
        """None: whatever is in a folder of this machine is Parquet that ``rewrite`` cleans."""
        return []

    def databases(self) -> list[StoredDatabase]:
        """The tables; what analysts see are the same."""
        return [StoredDatabase("the lake", self.read())]

    def remains(self, texts: Sequence[str]) -> list[StoredText]:
        """Where texts are left in files and rows of older snapshots, or in statistics."""
        with (
            connect(self._database) as catalogue,
            connected(self._location) as (connection, lake),
        ):
            return find_remains(connection, lake, catalogue, self._location, texts)

    @contextmanager
    def _once(self) -> Iterator[None]:
        # What a lake would allow would wait for itself with a file.
        if getattr(self._of_thread, "is_inside", False):
            raise RuntimeError("this thread has the warehouse open already")
        self._of_thread.is_inside = True
        try:
            yield
        finally:
            self._of_thread.is_inside = False

    def _salt(self) -> str | None:
        lock: AdvisoryLock | None = getattr(self._of_thread, "lock", None)
        schema = self._location.catalogue_schema
        if lock is not None:
            return lake_salt.read_salt(lock.session, schema)
        with connect(self._database) as catalogue:
            return lake_salt.read_salt(catalogue, schema)

    def _lock_name(self, name: str) -> str:
        return f"{APPLICATION}/{self._location.catalogue_schema}/{name}"
