"""Brings the decisions up to date right before a request is built."""

from collections.abc import Mapping, Sequence

import duckdb

from emarsys_pipeline.clock import Clock
from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.consent_events import add_consent_events
from emarsys_pipeline.stages.opt_in_deltas import add_opt_in_deltas
from emarsys_pipeline.stages.opt_in_pushes.intents import Refresh
from emarsys_pipeline.windows import Window, WindowGrid


def make_refresh(
    inbox: Inbox,
    grid: WindowGrid,
    *,
    accounts: Sequence[AccountSettings],
    default_region: str,
    run_id: str,
    now: Clock,
) -> Refresh:
    """A function that takes decisions durable in the inbox into ledger and deltas.

    It costs one look into the inbox and three into the warehouse while nothing new has come.
    """
    state: tuple[object, ...] | None = None
    refused: Mapping[str, str] = {}

    def refresh(connection: duckdb.DuckDBPyConnection) -> Mapping[str, str]:
        nonlocal state, refused
        last = inbox.last_sequence(("consent",))
        if state == (last, *_known(connection)):
            return refused
        # The receiver may be another machine, whose clock passed the end of a window before ours.
        newest = inbox.oldest_received_after(last - 1, ("consent",))
        current = grid.at(now() if newest is None else max(now(), newest))
        _ingest(connection, inbox, grid, current, default_region)
        derived = add_opt_in_deltas(connection, current, accounts=accounts, run_id=run_id, now=now)
        refused = derived.refused_accounts
        # Compared with the warehouse next time, so a transaction that was rolled back is redone.
        state = (last, *_known(connection))
        return refused

    return refresh


def _known(connection: duckdb.DuckDBPyConnection) -> tuple[object, ...]:
    """What deltas follow from; other runs may ingest, stitch and derive meanwhile."""
    return tuple(
        connection.execute(
            "select (select count(*) from consent_events), (select count(*) from opt_in_deltas),"
            " (select bit_xor(hash(stitches)) from identity_stitches as stitches)"
        ).fetchall()[0]
    )


def _ingest(
    connection: duckdb.DuckDBPyConnection,
    inbox: Inbox,
    grid: WindowGrid,
    current: Window,
    default_region: str,
) -> None:
    """Add the decisions that the ledger lacks.

    They are those after its newest one, and more only when the run of an earlier window failed.
    """
    # Of the ledger only what the inbox still holds: retention and erasure take messages out of it.
    query = (
        "select coalesce(max(inbox_sequence), 0), count(*) filter (received_at >="
        " $first::timestamptz and source <> 'erased') from consent_events"
    )
    first = {"first": inbox.oldest_received_after(0, ("consent",))}
    ((newest, _),) = connection.execute(query, first).fetchall()
    for after_sequence in (newest, 0):
        oldest = inbox.oldest_received_after(after_sequence, ("consent",))
        window = current if oldest is None else grid.at(oldest)
        while window <= current:
            add_consent_events(connection, inbox, window, default_region=default_region)
            window = grid.at(window.end)
        ((_, ingested),) = connection.execute(query, first).fetchall()
        if ingested >= inbox.counts["consent"]:
            return
