"""A warehouse in memory, for proofs that need thousands of transactions and no crash."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from emarsys_pipeline.warehouse import migrate
from emarsys_pipeline.warehouse.file_engine import FileEngine
from emarsys_pipeline_tests.warehouses import Warehouse


class ResidentWarehouse(Warehouse):
    """Migrated, never published, and open until :meth:`close`: without files and checkpoints."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self._resident = _ResidentEngine(directory)
        self._engine = self._resident

    def close(self) -> None:
        """Forget everything."""
        self._resident.database.close()


class _ResidentEngine(FileEngine):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory, publish_interval_seconds=10**9)
        self.database = duckdb.connect(config={"threads": 1})
        migrate.migrate(self.database)

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = self.database.cursor()
        try:
            connection.execute("set TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()
