"""The records that are stitched, and what they hold: temporary tables and views of one stitch."""

from datetime import datetime

import duckdb

from emarsys_pipeline.warehouse import load_sql

_CURRENT = (
    "create temp view emarsys_records as select rowid as record_key, account, contact_id,"
    " first_window_start, phone_numbers, email_addresses from current_contacts"
)
_HISTORIC = (
    "create temp view emarsys_records as select rowid as record_key, account, contact_id,"
    " first_window_start, phone_numbers, email_addresses from historic_records"
)
_PLATFORM = (
    "create temp view platform_records as select -1 - rowid as record_key, *"
    " from newest_platform_contacts"
)


def load_records(connection: duckdb.DuckDBPyConnection, window_start: datetime) -> None:
    """Make ``records`` and ``held_identifiers`` as they were at the end of a window.

    Contacts that left every segment stay with their last identifiers, so that leaving does not
    change who a person is.
    """
    at_window = {"window_start": window_start}
    ((newest,),) = connection.execute("select max(window_start) from mapped_contacts").fetchall()
    if newest is None or newest <= window_start:
        connection.execute(_CURRENT)
    else:
        query = load_sql(__package__, "emarsys_at_window.sql", only="")
        connection.execute("create temp table historic_records as\n" + query, at_window)
        connection.execute(_HISTORIC)
    query = load_sql(__package__, "platform_at_window.sql", only="")
    connection.execute("create temp table newest_platform_contacts as\n" + query, at_window)
    connection.execute(_PLATFORM)
    connection.execute(load_sql(__package__, "records.sql", of=""))


def load_changes(
    connection: duckdb.DuckDBPyConnection, window_start: datetime, after: datetime
) -> None:
    """Make ``changed_records``, what they held before as ``former_identifiers``, ``pair_changes``.

    Args:
        connection: an open transaction.
        window_start: the window that is stitched.
        after: the window that was stitched before it.
    """
    connection.execute(
        load_sql(__package__, "changed_records.sql"),
        {"window_start": window_start, "after": after},
    )
    connection.execute(load_sql(__package__, "touched_records.sql"))
    connection.execute(load_sql(__package__, "records.sql", of="touched_"))
    changed = "semi join changed_records as changed on changed.source = "
    connection.execute(
        load_sql(
            __package__,
            "former_identifiers.sql",
            emarsys_records=load_sql(
                __package__,
                "emarsys_at_window.sql",
                only=changed + "'emarsys' and changed.account = mapped_contacts.account"
                " and changed.contact_id = mapped_contacts.contact_id",
            ),
            platform_records=load_sql(
                __package__,
                "platform_at_window.sql",
                only=changed + "'platform'"
                " and changed.contact_id = platform_contacts.platform_contact_id",
            ),
        ),
        {"window_start": after},
    )
    connection.execute(load_sql(__package__, "pair_changes.sql"))
