"""Takes consent decisions from the inbox into the ledger, ``consent_events``.

Reads the inbox; writes consent_events, one row per decision, and never changes or removes one. A
second run adds nothing: a decision is known by its event id. Nothing makes it stop; a status that
is neither granted, withdrawn nor denied is kept in its own words as ``unknown``, and decides
nothing.
"""

from dataclasses import dataclass

import duckdb

from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.stages.erased import drop_erased_messages
from emarsys_pipeline.stages.identifiers import register_normalisers
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEventsIngested:
    """What one ingestion added, in rows."""

    added: int
    granted: int
    withdrawn: int
    denied: int
    unknown_status: int


def ingest_consent_events(
    warehouse: Warehouse, inbox: Inbox, window: Window, *, default_region: str
) -> ConsentEventsIngested:
    """Add the decisions received in a window, in a transaction of its own.

    Args and result as for :func:`add_consent_events`.
    """
    with warehouse.write() as connection:
        return add_consent_events(connection, inbox, window, default_region=default_region)


def add_consent_events(
    connection: duckdb.DuckDBPyConnection, inbox: Inbox, window: Window, *, default_region: str
) -> ConsentEventsIngested:
    """Add the decisions received in a window that the ledger does not hold, in this transaction.

    Args:
        connection: an open transaction of the warehouse.
        inbox: the messages.
        window: decisions received in it become its partition.
        default_region: ISO country of phone numbers written without a country code.
    """
    ((newest,),) = connection.execute(
        "select coalesce(max(inbox_sequence), 0) from consent_events where window_start = $start",
        {"start": window.start},
    ).fetchall()
    incoming = inbox.fetch(
        "consent", after_sequence=newest, received_from=window.start, received_to=window.end
    )
    if incoming.num_rows == 0:
        return ConsentEventsIngested(added=0, granted=0, withdrawn=0, denied=0, unknown_status=0)
    register_normalisers(connection)
    connection.register("incoming_events", incoming)
    connection.execute(
        load_sql(__package__, "add_consent_events.sql"),
        {"window_start": window.start, "default_region": default_region},
    )
    connection.unregister("incoming_events")
    drop_erased_messages(
        connection,
        inbox,
        "added_events",
        {
            "event": "event_id",
            "platform": "platform_contact_id",
            "phone": "phone_number",
            "email": "email_address",
        },
    )
    counts = connection.execute(
        "select status, count(*) from added_events group by status"
    ).fetchall()
    connection.execute("insert into consent_events by name from added_events")
    connection.execute("drop table added_events")
    by_status = dict(counts)
    return ConsentEventsIngested(
        added=sum(by_status.values()),
        granted=by_status.get("granted", 0),
        withdrawn=by_status.get("withdrawn", 0),
        denied=by_status.get("denied", 0),
        unknown_status=by_status.get("unknown", 0),
    )
