"""Keeping a lake small: each commit adds files and a snapshot, and nothing removes them by itself.

Readers of the newest state notice nothing. Each step is one call of DuckLake, which commits by
itself: what a killed round has not done, the next one does.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import duckdb
import psycopg

from emarsys_pipeline.warehouse.engine import Maintained, Standing
from emarsys_pipeline.warehouse.sql import load_sql, quote

# Of a file with a larger share of deleted rows, the rest is written into a new one.
REWRITE_ABOVE = 0.1

Connected = Callable[[], AbstractContextManager[tuple[duckdb.DuckDBPyConnection, str]]]


def standing(catalogue: psycopg.Connection, schema: str) -> Standing:
    """What a lake consists of now."""
    statement = load_sql(__package__, "lake_standing.sql", schema=quote(schema))
    ((snapshots, files, size, stored_files),) = catalogue.execute(statement.encode()).fetchall()
    return Standing(snapshots=snapshots, files=files, bytes=size, stored_files=stored_files)


def maintain(
    look: Callable[[], Standing],
    *,
    read: Connected,
    write: Connected,
    expire_before: datetime,
    remove_before: datetime,
) -> Maintained:
    """Do all steps in their order.

    Args:
        look: what the lake consists of.
        read: a connection to the lake, and its name there.
        write: the same as the only writer, whom other writers wait for.
        expire_before: older snapshots end.
        remove_before: files that no snapshot has named since then are removed, and those that none
            has ever named: a younger one may be one that is just being written.
    """
    before = look()
    _call(write, "ducklake_rewrite_data_files($lake, delete_threshold => $than)", REWRITE_ABOVE)
    merged = _call(write, "ducklake_merge_adjacent_files($lake)")
    expired = _call(write, "ducklake_expire_snapshots($lake, older_than => $than)", expire_before)
    removed = _call(read, "ducklake_cleanup_old_files($lake, older_than => $than)", remove_before)
    orphans = _call(
        read, "ducklake_delete_orphaned_files($lake, older_than => $than)", remove_before
    )
    return Maintained(
        before=before,
        after=look(),
        snapshots_expired=len(expired),
        files_merged=sum(row[2] for row in merged),
        files_removed=len(removed),
        orphans_removed=len(orphans),
    )


def _call(connected: Connected, call: str, than: object = None) -> Sequence[Any]:
    with connected() as (connection, lake):
        parameters = {"lake": lake} if than is None else {"lake": lake, "than": than}
        return connection.execute(f"call {call}", parameters).fetchall()
