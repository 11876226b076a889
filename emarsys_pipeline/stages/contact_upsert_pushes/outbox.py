"""The state of the outbox: whether something is due, and the way back for dead letters."""

from datetime import datetime

from emarsys_pipeline.stages.outboxes import is_due
from emarsys_pipeline.warehouse import Warehouse, load_sql


def contact_upserts_due(
    warehouse: Warehouse, now: datetime, *, settle_after_seconds: float
) -> bool:
    """Whether a drain would find work: something to send, to send again, or to settle.

    Reads the published copy, so it never waits for a run.
    """
    return is_due(
        warehouse, "contact_upsert_deliveries", now, settle_after_seconds=settle_after_seconds
    )


def revive_dead_letters(warehouse: Warehouse, now: datetime) -> int:
    """Make due again what the platform refused for good; how many upserts that are."""
    with warehouse.messaging_lock(), warehouse.write() as connection:
        rows = connection.execute(
            load_sql(__package__, "revive_dead_letters.sql"), {"now": now}
        ).fetchall()
    return int(rows[0][0])
