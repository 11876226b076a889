"""Removing raw rows that no later import needs.

Reads: segment_imports. Writes: raw_segment_exports, raw_prunings.

Raw rows of a segment are removed only before a full import that is old enough itself, and whose
rows stay: with these, everything since can be mapped again. What was mapped before stays in
mapped_contacts, which the current tables and the identities are made of.

A second run: finds nothing more to remove.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

import duckdb

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.windows import KEY_FORMAT

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPruned:
    """What was removed of one segment.

    Attributes:
        kept_from: start of the oldest window whose raw rows stay, a full import.
        partitions: the windows whose raw rows went.
        rows_pruned: the raw rows that went.
    """

    segment_id: str
    kept_from: datetime
    partitions: int
    rows_pruned: int


def prune_raw(
    warehouse: Warehouse,
    account: str,
    *,
    keep_windows: int,
    run_id: str,
    now: Clock = utc_now,
) -> list[RawPruned]:
    """Remove what is older than the windows to keep and than a full import before them.

    Args:
        warehouse: where the raw rows are.
        account: the account's name.
        keep_windows: how many of a segment's newest landed windows keep their raw rows at least;
            0 keeps all.
        run_id: who did it.
        now: the time in UTC.

    Returns:
        One entry per segment that lost rows.
    """
    if keep_windows == 0:
        return []
    parameters = {"account": account, "keep_windows": keep_windows}
    with warehouse.read() as connection:
        if not connection.execute(load_sql(__package__, "prunable.sql"), parameters).fetchall():
            return []
    with warehouse.write() as connection:
        rows = connection.execute(load_sql(__package__, "prunable.sql"), parameters).fetchall()
        pruned = [
            RawPruned(segment_id=row[0], kept_from=row[1], partitions=row[2], rows_pruned=row[3])
            for row in rows
        ]
        for each in pruned:
            _remove(connection, account, each, run_id, now())
    for each in pruned:
        logger.info(
            "account %s, segment %s: removed %d raw rows of %d windows; raw rows are kept from "
            "window %s, a full import",
            *(account, each.segment_id, each.rows_pruned, each.partitions),
            f"{each.kept_from:{KEY_FORMAT}}",
        )
    return pruned


def raw_kept_from(connection: duckdb.DuckDBPyConnection, account: str) -> dict[str, datetime]:
    """By segment, the start of the oldest window with raw rows; only of those that were pruned."""
    rows = connection.execute(
        load_sql(__package__, "kept_from.sql"), {"account": account}
    ).fetchall()
    return dict(rows)


def _remove(
    connection: duckdb.DuckDBPyConnection,
    account: str,
    pruned: RawPruned,
    run_id: str,
    pruned_at: datetime,
) -> None:
    limits = {
        "account": account,
        "segment_id": pruned.segment_id,
        "kept_from": pruned.kept_from,
    }
    connection.execute(
        "delete from raw_segment_exports where account = $account and segment_id = $segment_id"
        " and window_start < $kept_from",
        limits,
    )
    connection.execute(
        "insert into raw_prunings by name select $account as account, $segment_id as segment_id,"
        " $kept_from as kept_from, $partitions as partitions, $rows_pruned as rows_pruned,"
        " $pruned_at as pruned_at, $run_id as run_id",
        {
            **limits,
            "partitions": pruned.partitions,
            "rows_pruned": pruned.rows_pruned,
            "pruned_at": pruned_at,
            "run_id": run_id,
        },
    )
