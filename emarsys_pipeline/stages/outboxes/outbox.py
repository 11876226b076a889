"""The state of an outbox: whether something is due, what was left behind, what was answered."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from emarsys_pipeline.stages.outboxes.verdicts import Verdict
from emarsys_pipeline.warehouse import Warehouse, load_sql


def is_due(
    warehouse: Warehouse, deliveries: str, now: datetime, *, settle_after_seconds: float
) -> bool:
    """Whether a drain would find work: something to send, to send again, or to settle.

    Reads a view of deliveries in the published copy, so it never waits for a run.
    """
    with warehouse.read_published() as connection:
        ((due,),) = connection.execute(
            load_sql(__package__, "is_due.sql", deliveries=deliveries),
            {"now": now, "oldest": now - timedelta(seconds=settle_after_seconds)},
        ).fetchall()
    return bool(due)


def adopt_orphans(
    connection: duckdb.DuckDBPyConnection, pushes: str, settle_at: datetime, *, account: str | None
) -> None:
    """Make unknown, until ``settle_at``, what a worker that died left without an outcome.

    Args:
        connection: of a transaction in which nobody else pushes.
        pushes: the table of pushes.
        settle_at: when a request that was just sent has ended.
        account: whose pushes; None for a table without accounts.
    """
    whose = "true" if account is None else "account = $account"
    parameters: dict[str, object] = {"settle_at": settle_at}
    if account is not None:
        parameters["account"] = account
    query = load_sql(__package__, "adopt_orphans.sql", pushes=pushes, whose=whose)
    connection.execute(query, parameters)


def record_outcomes(
    warehouse: Warehouse,
    pushes: str,
    batch_id: str,
    verdicts: Sequence[Verdict],
    moment: datetime,
) -> None:
    """Write the verdicts on a batch, of which there is at least one, into a table of pushes."""
    kind = type(verdicts[0])
    table = pa.Table.from_pylist([verdict.as_row() for verdict in verdicts], schema=kind.schema())
    facts = ",\n    ".join(
        f"{name} = verdicts.{name}" for name in kind.schema().names if name != kind.KEY
    )
    query = load_sql(__package__, "record_outcomes.sql", pushes=pushes, key=kind.KEY, facts=facts)
    with warehouse.write() as connection:
        connection.register("verdicts", table)
        connection.execute(query, {"batch_id": batch_id, "now": moment})
        connection.unregister("verdicts")
