"""Takes calls of Emarsys automations from the inbox into ``automation_events``.

Reads the inbox; writes automation_events, one row per call, in the window in which it arrived. A
second run adds nothing: a call is known by its message id. Nothing makes it stop: what a call does
not say, or says in a form that is not valid, is null, and its payload holds all of it.

Calls enter in the order of the inbox whichever windows are asked for: those that arrived before the
end of the asked window and are still missing are added first. So a reader that remembers the last
position never misses one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.erased import drop_erased_messages
from emarsys_pipeline.stages.identifiers import register_normalisers
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.windows import Window, WindowGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationEventsIngested:
    """What one ingestion added, in rows; ``by_event`` counts them by name, most first."""

    added: int
    by_event: dict[str, int]


def ingest_automation_events(
    warehouse: Warehouse,
    inbox: Inbox,
    window: Window,
    *,
    grid: WindowGrid,
    accounts: Sequence[AccountSettings],
) -> AutomationEventsIngested:
    """Add the calls that arrived before the end of a window and that the table does not hold.

    Args:
        warehouse: where automation_events lives.
        inbox: the messages.
        window: calls received after its end are left for later.
        grid: all windows.
        accounts: their default regions serve phone numbers without a country code.
    """
    with warehouse.write() as connection:
        ((newest,),) = connection.execute(
            "select coalesce(max(inbox_sequence), 0) from automation_events"
        ).fetchall()
        incoming = inbox.fetch("automation", after_sequence=newest, received_to=window.end)
        if incoming.num_rows == 0:
            return AutomationEventsIngested(added=0, by_event={})
        register_normalisers(connection)
        connection.register("incoming_events", incoming)
        connection.register("account_regions", _regions(accounts))
        connection.execute(
            load_sql(__package__, "add_automation_events.sql"),
            {"grid_start": grid.start, "length_minutes": grid.length_minutes},
        )
        connection.unregister("incoming_events")
        connection.unregister("account_regions")
        drop_erased_messages(
            connection,
            inbox,
            "added_events",
            {
                "emarsys": "account || chr(31) || contact_id",
                "emarsys external": "account || chr(31) || external_id",
                "platform": "external_id",
                "phone": "phone_number",
                "email": "email_address",
            },
        )
        counts = connection.execute(
            "select coalesce(event_name, '(unnamed)') as name, count(*) as events"
            " from added_events group by name order by events desc, name"
        ).fetchall()
        connection.execute(
            "insert into automation_events by name from added_events order by inbox_sequence"
        )
        connection.execute("drop table added_events")
    by_event = dict(counts)
    return AutomationEventsIngested(added=sum(by_event.values()), by_event=by_event)


def _regions(accounts: Sequence[AccountSettings]) -> pa.Table:
    return pa.table(
        {
            "account": pa.array([account.name for account in accounts], pa.string()),
            "default_region": pa.array([a.default_region for a in accounts], pa.string()),
        }
    )
