"""Brings the golden records up to date right before requests are built."""

from collections.abc import Callable, Iterable, Sequence

import duckdb

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.contact_upserts import add_contact_upserts

# Takes newer golden records in, within the transaction it is handed.
Refresh = Callable[[duckdb.DuckDBPyConnection], None]


def make_refresh(
    *,
    accounts: Sequence[AccountSettings],
    properties: Iterable[str],
    run_id: str,
    now: Clock = utc_now,
) -> Refresh:
    """A function that derives the upserts which stitching has called for since.

    It costs two looks into the warehouse while nothing was stitched.
    """
    known: tuple[object, ...] | None = None
    names = tuple(properties)

    def refresh(connection: duckdb.DuckDBPyConnection) -> None:
        nonlocal known
        if known == _state(connection):
            return
        add_contact_upserts(connection, accounts=accounts, properties=names, run_id=run_id, now=now)
        # Compared with the warehouse next time, so a transaction that was rolled back is redone.
        known = _state(connection)

    return refresh


def _state(connection: duckdb.DuckDBPyConnection) -> tuple[object, ...]:
    """What upserts follow from; other runs may stitch and derive meanwhile."""
    return tuple(
        connection.execute(
            "select (select count(*) from contact_upserts),"
            " (select bit_xor(hash(stitches)) from identity_stitches as stitches)"
        ).fetchall()[0]
    )
