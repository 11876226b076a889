"""What earlier windows tell about a segment: its members, and whether a full import is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentHistory:
    """A segment before this window.

    Attributes:
        last_full: start of the window of its last full import; None if there was none.
        last_requested_at: when the last import that landed began to ask Emarsys.
        is_superseded: whether a later window has landed already.
    """

    last_full: datetime | None = None
    last_requested_at: datetime | None = None
    is_superseded: bool = False

    def is_full_due(self, window: Window, reconcile_every_days: int) -> bool:
        """Whether this window takes a full export."""
        return self.last_full is None or window.start - self.last_full >= timedelta(
            days=reconcile_every_days
        )


def read_history(
    warehouse: Warehouse, account: str, segment_ids: Sequence[str], window: Window
) -> dict[str, SegmentHistory]:
    """The history of each of these segments."""
    with warehouse.read() as connection:
        return history_in(connection, account, segment_ids, window)


def history_in(
    connection: duckdb.DuckDBPyConnection,
    account: str,
    segment_ids: Sequence[str],
    window: Window,
) -> dict[str, SegmentHistory]:
    """The same over a connection to the warehouse or to its published copy."""
    rows = connection.execute(
        load_sql(__package__, "history.sql"),
        {"account": account, "window_start": window.start, "segment_ids": list(segment_ids)},
    ).fetchall()
    found = {
        row[0]: SegmentHistory(last_full=row[1], last_requested_at=row[2], is_superseded=row[3])
        for row in rows
    }
    return {segment_id: found.get(segment_id, SegmentHistory()) for segment_id in segment_ids}


def write_previous_members(
    warehouse: Warehouse,
    account: str,
    segment_id: str,
    window: Window,
    history: SegmentHistory,
    path: Path,
) -> None:
    """Write the contact ids that were in the segment before this window to a Parquet file."""
    with warehouse.read() as connection:
        connection.sql(
            load_sql(__package__, "previous_members.sql"),
            params={
                "account": account,
                "segment_id": segment_id,
                "window_start": window.start,
                "last_full": history.last_full or window.start,
            },
        ).write_parquet(str(path))


def write_replaced_rows(
    warehouse: Warehouse, account: str, segment_id: str, window: Window, path: Path
) -> None:
    """Write what an import that landed before in this window delivered to a Parquet file."""
    with warehouse.read() as connection:
        connection.sql(
            load_sql(__package__, "replaced_rows.sql"),
            params={"account": account, "segment_id": segment_id, "window_start": window.start},
        ).write_parquet(str(path))
