"""The records that are stitched, and what they hold: temporary tables and views of one stitch."""

from datetime import datetime

import duckdb

from emarsys_pipeline.warehouse import load_sql

_CONTACTS = "create temp view contacts_at_window as select rowid as record_key, * from "
_EMARSYS = (
    "create temp view emarsys_records as select record_key, account, contact_id,"
    " first_window_start, phone_numbers, email_addresses from contacts_at_window"
)


def load_records(connection: duckdb.DuckDBPyConnection, window_start: datetime) -> bool:
    """Make ``records`` and ``held_identifiers`` as they were at the end of a window.

    Contacts that left every segment stay with their last identifiers, so that leaving does not
    change who a person is.

    Returns:
        Whether no window after it has been mapped, so that current_contacts is of this window.
    """
    at_window = {"window_start": window_start}
    ((newest,),) = connection.execute("select max(window_start) from mapped_contacts").fetchall()
    is_newest = newest is None or newest <= window_start
    if is_newest:
        connection.execute(_CONTACTS + "current_contacts")
    else:
        query = load_sql(__package__, "emarsys_at_window.sql", only="")
        connection.execute("create temp table historic_records as\n" + query, at_window)
        connection.execute(_CONTACTS + "historic_records")
    connection.execute(_EMARSYS)
    connection.execute(load_sql(__package__, "set_aside_messages.sql"), at_window)
    query = load_sql(
        __package__,
        "platform_at_window.sql",
        only="semi join set_aside_messages as aside on aside.message_key = platform_contacts.rowid",
    )
    connection.execute("create temp table repeated_platform_contacts as\n" + query, at_window)
    connection.execute(load_sql(__package__, "platform_records.sql"))
    connection.execute(load_sql(__package__, "records.sql", of=""))
    return is_newest


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
    connection.execute(load_sql(__package__, "touched_emarsys_records.sql"), {"after": after})
    connection.execute(load_sql(__package__, "touched_platform_records.sql"))
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
