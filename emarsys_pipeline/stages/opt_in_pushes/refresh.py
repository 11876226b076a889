"""Brings the decisions up to date right before a request is built."""

from collections.abc import Callable, Sequence

import duckdb

from emarsys_pipeline.clock import Clock
from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.consent_events import add_consent_events
from emarsys_pipeline.stages.opt_in_deltas import add_opt_in_deltas
from emarsys_pipeline.windows import WindowGrid


def make_refresh(
    inbox: Inbox,
    grid: WindowGrid,
    *,
    accounts: Sequence[AccountSettings],
    default_region: str,
    run_id: str,
    now: Clock,
) -> Callable[[duckdb.DuckDBPyConnection], None]:
    """A function that takes decisions durable in the inbox into ledger and deltas.

    It costs one look into the inbox while nothing new has come.
    """
    seen = -1

    def refresh(connection: duckdb.DuckDBPyConnection) -> None:
        nonlocal seen
        last = inbox.last_sequence(("consent",))
        if last == seen:
            return
        seen = last
        ((ingested,),) = connection.execute(
            "select coalesce(max(inbox_sequence), 0) from consent_events"
        ).fetchall()
        oldest = inbox.oldest_received_after(ingested)
        if oldest is None:
            return
        window = grid.at(oldest)
        newest = grid.at(now())
        while window <= newest:
            add_consent_events(connection, inbox, window, default_region=default_region)
            window = grid.at(window.end)
        add_opt_in_deltas(connection, newest, accounts=accounts, run_id=run_id, now=now)

    return refresh
