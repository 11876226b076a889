"""The warehouse: one writer at a time, whole transactions, and what readers see."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from emarsys_pipeline.warehouse.engine import Engine, Maintained, StoredDatabase, StoredText
from emarsys_pipeline.warehouse.file_engine import FileEngine
from emarsys_pipeline.warehouse.lake import LakeLocation
from emarsys_pipeline.warehouse.locks import HeldLock

FILES_STAY = timedelta(days=1)


class Warehouse:
    """The tables of all stages, wherever they are.

    Args:
        place: a folder for one DuckDB file on this machine, or the lake that several machines
            share.
        publish_interval_seconds: the analysts' copy of a file is replaced at most this often; a
            lake needs no copy.
    """

    def __init__(
        self, place: Path | LakeLocation, *, publish_interval_seconds: float = 30.0
    ) -> None:
        self.place = place
        self._engine = _engine(place, publish_interval_seconds)

    def migrate(self) -> None:
        """Bring the schema up to date, and publish when nothing is published yet."""
        self._engine.migrate()

    def prepare(self) -> None:
        """What a run does before it uses the tables.

        A file is migrated. A lake is migrated in one deploy step, and here it is only looked at,
        since machines that change the schema at the same time would fail.

        Raises:
            LakeError: the lake is not made, or its schema is older than this package.
        """
        self._engine.prepare()

    def examine(self) -> None:
        """See whether runs would find what they need; changes nothing and waits for nobody.

        A file needs nothing: who comes first makes it.

        Raises:
            LakeError: the lake cannot be reached or read, is not made, or its schema is older than
                this package.
        """
        self._engine.examine()

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Keep the block short and do no network work in it: everybody else waits meanwhile. After
        the commit the analysts' copy is replaced, unless that happened within the interval; then
        it is left pending for :meth:`publish_pending`.

        Do not ``update`` rows that the same transaction has inserted. With DuckDB 1.5.5, a lake
        gives them row ids that rows of other such transactions have, too, and the stages tell rows
        apart by ``rowid``.
        """
        with self._engine.only_writer():
            with self._engine.connect() as connection:
                connection.begin()
                try:
                    yield connection
                    self._engine.before_commit(connection)
                except BaseException:
                    connection.rollback()
                    raise
                connection.commit()
            self._engine.after_commit()

    def read(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection that sees the last commit; with a file, it takes turns with the writer."""
        return self._engine.read()

    def kept_open(self) -> AbstractContextManager[None]:
        """Open the tables once for all :meth:`write` and :meth:`read` of this thread in the block.

        For many small transactions in a row: opening a large file and closing it takes more time
        than they do. Each is still one of its own, committed and durable when its block ends, and
        one that fails takes nothing from those before and after it.

        Do no network work in the block, also between transactions: from the first one to the end
        everybody else waits, apart from a chance every five seconds, between two transactions.
        Other threads are everybody else, too: what the block does must not wait for them.
        """
        return self._engine.kept_open()

    def read_published(
        self, *, schema: str = "pipeline"
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection to what is published; it never waits for anybody.

        Args:
            schema: where unqualified names are looked up: ``main`` holds the analysts' views,
                ``pipeline`` the tables behind them.
        """
        return self._engine.connect_published(schema)

    def push_lock(self, account: str) -> AbstractContextManager[HeldLock]:
        """Be the only one who writes opt-in values to this Emarsys account."""
        return self._engine.only_holder(f"push-{account}")

    def messaging_lock(self) -> AbstractContextManager[HeldLock]:
        """Be the only one who tells the messaging platform of contacts."""
        return self._engine.only_holder("messaging")

    def publish_pending(self, *, at_once: bool = False) -> bool:
        """Publish the last commit if it is not published yet.

        Args:
            at_once: do not wait for the interval to pass.

        Returns:
            Whether the published copy was replaced.
        """
        return self._engine.publish_pending(at_once=at_once)

    def write_copy(self, path: Path) -> None:
        """Write what analysts see into one DuckDB file, replaced in one step for its readers."""
        self._engine.write_copy(path)

    def rewrite(self) -> None:
        """Leave no byte of deleted rows in what is stored; old states can be read no longer."""
        self._engine.rewrite()

    @property
    def needs_maintenance(self) -> bool:
        """Whether what is stored grows unless somebody maintains it."""
        return self._engine.needs_maintenance

    def maintain(
        self, *, keep_snapshots: timedelta, files_stay: timedelta = FILES_STAY
    ) -> Maintained | None:
        """Write many small files as few, and remove what no reader needs any more.

        Args:
            keep_snapshots: how long back old states can be read.
            files_stay: how long a file stays after the last state that needs it, for readers who
                are still at it, and how old one must be that no state names yet.

        Returns:
            What was done; None where nothing ever has to be done.
        """
        return self._engine.maintain(keep_snapshots=keep_snapshots, files_stay=files_stay)

    def make_salt(self) -> None:
        """Make the salt of the tombstones unless it is there."""
        self._engine.make_salt()

    @property
    def is_published(self) -> bool:
        """Whether there is something for analysts to see."""
        return self.published_at is not None

    @property
    def published_at(self) -> datetime | None:
        """When what analysts see was last replaced; None while there is nothing to see."""
        return self._engine.published_at

    @property
    def published_name(self) -> str:
        """What analysts open, as people know it: a file, or the lake."""
        return self._engine.published_name

    @property
    def own_files(self) -> Collection[Path]:
        """Files of this machine that are changed through the warehouse only."""
        return self._engine.own_files

    def databases(self) -> Sequence[StoredDatabase]:
        """Everything that is stored and exists, for who has to look at every row."""
        return self._engine.databases()

    def remains(self, texts: Sequence[str]) -> Sequence[StoredText]:
        """Where texts (in lower case) are left outside the tables and the own files."""
        return self._engine.remains(texts)


def _engine(place: Path | LakeLocation, publish_interval_seconds: float) -> Engine:
    if isinstance(place, Path):
        return FileEngine(place, publish_interval_seconds=publish_interval_seconds)
    # Its libraries come with an extra, which one machine does not need.
    from emarsys_pipeline.warehouse.lake_engine import LakeEngine

    return LakeEngine(place)
