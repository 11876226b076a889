"""Dead letters: values that Emarsys refused for good, and how they are sent again.

Reads opt_in_deliveries; writes opt_in_replays, one row per dead letter that somebody asked to send
again, and nothing else: what was refused stays on record. A second request adds nothing before
the value has been sent and refused once more. Nothing makes it stop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.warehouse import Warehouse, load_sql


class NoSuchDeadLetterError(Exception):
    """A delta that was to be sent again is no dead letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One value that Emarsys refused for good, and that no newer one has replaced."""

    delta_id: str
    account: str
    contact_id: str
    value: str
    attempts: int
    settled_at: datetime
    http_status: int | None
    reply_code: str | None
    reply_text: str | None
    remedy: str | None


def dead_letters(connection: duckdb.DuckDBPyConnection) -> list[DeadLetter]:
    """All dead letters, oldest first; from the warehouse or from the published copy."""
    names = (
        *("delta_id", "account", "contact_id", "value", "attempts", "settled_at"),
        *("http_status", "reply_code", "reply_text", "remedy"),
    )
    rows = connection.execute(load_sql(__package__, "dead_letters.sql")).fetchall()
    return [DeadLetter(**dict(zip(names, row, strict=True))) for row in rows]


def replay_dead_letters(
    warehouse: Warehouse, delta_ids: Sequence[str] | None, *, now: Clock = utc_now
) -> int:
    """Make these dead letters, or all, due again; the next drain of the outbox sends them.

    Args:
        warehouse: where the outbox lives.
        delta_ids: which; None for all.
        now: the clock.

    Returns:
        How many were made due; a delta that waits to be sent anyway does not count.

    Raises:
        NoSuchDeadLetterError: there is no such delta, it was accepted, or a newer one has replaced
            it; nothing was changed.
    """
    with warehouse.write() as connection:
        chosen = [letter.delta_id for letter in dead_letters(connection)]
        if delta_ids is not None:
            _refuse_others(connection, set(delta_ids) - set(chosen))
            chosen = [delta_id for delta_id in chosen if delta_id in set(delta_ids)]
        connection.register(
            "chosen_deltas", pa.table({"delta_id": pa.array(chosen, type=pa.string())})
        )
        connection.execute(load_sql(__package__, "replay.sql"), {"now": now()})
        connection.unregister("chosen_deltas")
    return len(chosen)


def _refuse_others(connection: duckdb.DuckDBPyConnection, delta_ids: set[str]) -> None:
    for delta_id in sorted(delta_ids):
        row = connection.execute(
            "select outcome, is_retryable from opt_in_deliveries where delta_id = $delta_id",
            {"delta_id": delta_id},
        ).fetchone()
        if row is None:
            raise NoSuchDeadLetterError(f"there is no delta {delta_id}")
        outcome, is_retryable = row
        if outcome == "rejected" and not is_retryable:
            raise NoSuchDeadLetterError(
                f"delta {delta_id} was replaced by a newer one, and is never sent again"
            )
        if outcome in ("accepted", "superseded"):
            raise NoSuchDeadLetterError(f"delta {delta_id} is no dead letter: it was {outcome}")
