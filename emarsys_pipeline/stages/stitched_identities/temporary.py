"""The temporary tables and views of one stitch, and how a whole table is written."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from emarsys_pipeline.stages.stitched_identities import decided, narrowed

_VIEWS = (
    "assigned_records",
    "identity_map",
    "narrowed_held_identifiers",
    "narrowed_records",
    "narrowed_emarsys_records",
    "narrowed_platform_records",
    "touched_held_identifiers",
    "touched_records",
    "held_identifiers",
    "records",
    "emarsys_records",
    "contacts_at_window",
    "platform_records",
)
_TABLES = (
    "historic_records",
    "set_aside_messages",
    "repeated_platform_contacts",
    "changed_records",
    "touched_emarsys_records",
    "touched_platform_records",
    "former_identifiers",
    "pair_changes",
    *narrowed.TEMPORARY,
    "repeated_hashes",
    "record_identifiers",
    *decided.TEMPORARY,
    "shared_identifiers",
    "components",
    "whole_components",
    "among_records",
    "among_identifiers",
    "cut_links",
    "linked_records",
    "shared_identities",
    "erased_records",
    "changed_members",
    "members_now",
    "affected_identifiers",
    "touched",
)


def drop_temporary(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop whatever the last stitch left; views first, as they read the tables."""
    for view in _VIEWS:
        connection.execute(" ".join(["drop view if exists", f"temp.{view}"]))
    for table in _TABLES:
        connection.execute(" ".join(["drop table if exists", f"temp.{table}"]))


MEMORY_LIMIT = "4GB"
"""What DuckDB may take to assign identities; what needs more goes to a file beside the warehouse.

The arrays of the components come on top, about 50 MB per million contacts, and the process itself.
"""


@contextmanager
def limited_memory(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let DuckDB take at most :data:`MEMORY_LIMIT`; less where it may take only less anyway."""
    ((text,),) = connection.execute("select current_setting('memory_limit')").fetchall()
    number, unit = str(text).split()
    if unit == "TiB" or (unit == "GiB" and float(number) > float(MEMORY_LIMIT.removesuffix("GB"))):
        connection.execute("set memory_limit = $limit", {"limit": MEMORY_LIMIT})
    try:
        yield
    finally:
        connection.execute("reset memory_limit")


@contextmanager
def one_thread(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let DuckDB use one thread, for statements that write a whole table.

    With several, it inserts batches, and packs the values of many of them twice.
    """
    connection.execute("set threads = 1")
    try:
        yield
    finally:
        connection.execute("reset threads")
