"""The state of the outbox, as the published copy shows it."""

from datetime import datetime

from emarsys_pipeline.stages.outboxes import is_due
from emarsys_pipeline.warehouse import Warehouse, load_sql


def outbox_due(warehouse: Warehouse, now: datetime, *, settle_after_seconds: float) -> bool:
    """Whether a drain would find work: something to send, to send again, or to read back.

    Reads the published copy, so it never waits for a run.
    """
    return is_due(warehouse, "opt_in_deliveries", now, settle_after_seconds=settle_after_seconds)


def count_dead_letters(warehouse: Warehouse) -> int:
    """How many newest deltas were refused for good, as the published copy shows them."""
    with warehouse.read_published() as connection:
        ((letters,),) = connection.execute(
            load_sql(__package__, "count_dead_letters.sql")
        ).fetchall()
    return int(letters)
