"""The only door to storage: connections, the write lock, transactions, schema, publishing.

One DuckDB file holds the tables, one process writes it at a time, and readers open a published
copy, ``analytics.duckdb``, which is replaced whole. Nothing outside this folder opens a database
file or names an engine.
"""

from emarsys_pipeline.warehouse.engine import Maintained
from emarsys_pipeline.warehouse.lake import LakeError, LakeLocation, ObjectStore
from emarsys_pipeline.warehouse.locks import HeldLock, LockLostError
from emarsys_pipeline.warehouse.partitions import overwrite_partition
from emarsys_pipeline.warehouse.sql import load_decisions_in_force, load_sql, quote
from emarsys_pipeline.warehouse.store import Warehouse

__all__ = [
    "HeldLock",
    "LakeError",
    "LakeLocation",
    "LockLostError",
    "Maintained",
    "ObjectStore",
    "Warehouse",
    "load_decisions_in_force",
    "load_sql",
    "overwrite_partition",
    "quote",
]
