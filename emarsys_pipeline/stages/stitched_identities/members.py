"""The assignment of records to identities: what is known, what a window changes in it."""

from datetime import datetime

import duckdb

from emarsys_pipeline.stages.stitched_identities.temporary import one_thread
from emarsys_pipeline.warehouse import load_sql


def load_erased(connection: duckdb.DuckDBPyConnection, window_start: datetime) -> None:
    """Make ``erased_records``, and ``assigned_records`` of those and ``identity_map``."""
    connection.execute(load_sql(__package__, "erased_records.sql"), {"window_start": window_start})
    connection.execute(load_sql(__package__, "assigned_records.sql"))


def write_members(
    connection: duckdb.DuckDBPyConnection,
    window_start: datetime,
    run_id: str,
    *,
    are_all: bool = True,
) -> None:
    """Bring ``identity_members`` from the window before to this one, and note what happened.

    Makes ``changed_members``, one row per record whose assignment is new or another.

    Args:
        connection: an open transaction.
        window_start: the window.
        run_id: written beside the rows.
        are_all: assigned_records are all there are, so a member that is not among them is gone.
            Else members_around has the assignments that they may replace, and members_now is
            made, the members of all components in which something changed.
    """
    at_window = {"window_start": window_start}
    parameters = {**at_window, "run_id": run_id}
    ((known,),) = connection.execute("select count(*) from identity_members").fetchall()
    if not known:
        with one_thread(connection):
            connection.execute(load_sql(__package__, "first_members.sql"), parameters)
        return
    every = "(select rowid as member_key, * from identity_members)"
    present_members = every if are_all else "members_around"
    connection.execute(
        load_sql(__package__, "changed_members.sql", present_members=present_members)
    )
    if are_all:
        _remove_gone(connection, known)
    connection.execute(load_sql(__package__, "write_members.sql"), parameters)
    members = "identity_members"
    if not are_all:
        connection.execute(load_sql(__package__, "members_now.sql"))
        members = "members_now"
    connection.execute(load_sql(__package__, "identity_events.sql", members=members), at_window)


def _remove_gone(connection: duckdb.DuckDBPyConnection, known: int) -> None:
    """Remove members that are no records any more.

    Both sides have one row per record, so that counting tells whether there is one.
    """
    ((records, added),) = connection.execute(
        "select (select count(*) from records) + (select count(*) from erased_records),"
        " (select count(*) from changed_members where member_key is null)"
    ).fetchall()
    if known + added > records:
        connection.execute(load_sql(__package__, "remove_gone_members.sql"))


def rewind_members(connection: duckdb.DuckDBPyConnection, window_start: datetime) -> None:
    """Bring the assignments back to how they were before a window, and forget it and later ones."""
    parameters = {"window_start": window_start}
    connection.execute(load_sql(__package__, "reopened_records.sql"), parameters)
    for table in ("identity_members", "former_members", "identity_events", "identity_stitches"):
        connection.execute(
            " ".join(["delete from", table, "where window_start >= $window_start"]), parameters
        )
    connection.execute(load_sql(__package__, "reinstate_members.sql"))
