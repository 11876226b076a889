"""A warehouse in memory, for proofs that need thousands of transactions and no crash."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from emarsys_pipeline.warehouse import Warehouse, migrate


class ResidentWarehouse(Warehouse):
    """Migrated, never published, and open until :meth:`close`: without files and checkpoints."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, publish_interval_seconds=10**9)
        directory.mkdir(parents=True, exist_ok=True)
        self._database = duckdb.connect(config={"threads": 1})
        migrate.migrate(self._database)

    def close(self) -> None:
        """Forget everything."""
        self._database.close()

    @contextmanager
    def _open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = self._database.cursor()
        try:
            connection.execute("set TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()
