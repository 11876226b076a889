"""Links the contacts of all accounts and of the messaging side into identities.

Reads mapped_contacts and platform_contacts up to the window; writes stitched_identities (one row
per record whose identity was assigned or changed in the window), identity_events and
identity_stitches for the window, and, for the newest window, the current tables
identity_members, identity_identifiers, quarantined_links and identities. A second run writes the
same rows. Nothing makes it stop: an identifier that would link too many records links nobody and
is listed.

An identity is a connected component of the graph of records and shared identifiers. Its id is a
hash of its first record by (first window, source, account, contact id): a function of the data
alone, whatever the order of rows or runs.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities import decided
from emarsys_pipeline.stages.stitched_identities.components import resolve_components
from emarsys_pipeline.stages.stitched_identities.golden import write_golden_records
from emarsys_pipeline.stages.stitched_identities.guards import guard_components
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.warehouse.columns import ensure_property_columns
from emarsys_pipeline.windows import Window

logger = logging.getLogger(__name__)

_TEMPORARY = (
    "records",
    "record_identifiers",
    "shared_identifiers",
    *decided.TEMPORARY,
    "components",
    "among_records",
    "cut_links",
    "identity_map",
    "shared_identities",
    "previous_map",
    "assignments",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitiesStitched:
    """What stitching one window found.

    ``assigned`` records are new or changed identity; ``largest`` is the number of records of the
    largest identity; ``quarantined`` counts identifiers that link nobody.
    """

    records: int
    identities: int
    assigned: int
    merges: int
    splits: int
    quarantined: int
    largest: int


def stitch_identities(
    warehouse: Warehouse,
    window: Window,
    *,
    stitching: StitchingSettings,
    property_types: Mapping[str, str],
    run_id: str,
) -> IdentitiesStitched:
    """Stitch everything that is known at the end of a window.

    When later windows have been stitched already and this one changes, they are stitched again in
    order, so that each window's rows stay the difference to the window before.

    Args:
        warehouse: where all tables live.
        window: the window to stitch.
        stitching: the guards against linking too much.
        property_types: the DuckDB type of each property of the golden record.
        run_id: written beside the rows.
    """
    with warehouse.write() as connection:
        ensure_property_columns(connection, property_types)
        is_again = not _is_next(connection, window.start)
        result, changed = _stitch_window(connection, window.start, stitching, run_id)
        later = _later_windows(connection, window.start)
        if changed:
            for start in later:
                _stitch_window(connection, start, stitching, run_id)
        if changed or not later:
            newest = later[-1] if later else window.start
            # A window that changed tells what moved since the window before, not what moved since
            # it was stitched last.
            is_rebuilt = bool(later) or (is_again and changed)
            write_golden_records(connection, newest, property_types, rebuild=is_rebuilt)
        drop_temporary(connection)
    return result


def _stitch_window(
    connection: duckdb.DuckDBPyConnection,
    window_start: datetime,
    stitching: StitchingSettings,
    run_id: str,
) -> tuple[IdentitiesStitched, bool]:
    drop_temporary(connection)
    at_window = {"window_start": window_start}
    map_records(connection, window_start, stitching)
    connection.execute(load_sql(__package__, "erased_members.sql"), at_window)
    if _is_next(connection, window_start):
        connection.execute(load_sql(__package__, "previous_members.sql"))
    else:
        connection.execute(load_sql(__package__, "replay_map.sql"), at_window)
    connection.execute(load_sql(__package__, "assignments.sql"), {**at_window, "run_id": run_id})
    changed = _differs(connection, window_start)
    result = _write_window(connection, window_start, run_id)
    logger.info(
        "stitched %d records into %d identities (%d merges, %d splits)",
        result.records,
        result.identities,
        result.merges,
        result.splits,
    )
    return result, changed


def map_records(
    connection: duckdb.DuckDBPyConnection, window_start: datetime, stitching: StitchingSettings
) -> None:
    """Make ``identity_map`` and ``shared_identities`` of a window, and what they are made of.

    Writes temporary tables only, so it also serves a preview on the analysts' copy.
    """
    _load_records(connection, window_start)
    connection.execute(load_sql(__package__, "identifiers.sql"))
    decided.load_decisions(connection, window_start, stitching)
    connection.execute(
        load_sql(__package__, "shared_identifiers.sql"),
        {"max_records": stitching.max_contacts_per_identifier},
    )
    resolve_components(connection)
    guard_components(connection, stitching)
    connection.execute(load_sql(__package__, "identity_map.sql"))
    connection.execute(load_sql(__package__, "shared_identities.sql"))


def _load_records(connection: duckdb.DuckDBPyConnection, window_start: datetime) -> None:
    ((newest,),) = connection.execute("select max(window_start) from mapped_contacts").fetchall()
    is_current = newest is None or newest <= window_start
    source = "current_records.sql" if is_current else "records_at_window.sql"
    parameters = {} if is_current else {"window_start": window_start}
    connection.execute(load_sql(__package__, source), parameters)
    connection.execute(
        load_sql(__package__, "platform_records.sql"), {"window_start": window_start}
    )


def _is_next(connection: duckdb.DuckDBPyConnection, window_start: datetime) -> bool:
    ((newest,),) = connection.execute("select max(window_start) from identity_stitches").fetchall()
    return newest is None or newest < window_start


def _later_windows(connection: duckdb.DuckDBPyConnection, window_start: datetime) -> list[datetime]:
    rows = connection.execute(
        "select window_start from identity_stitches where window_start > $start"
        " order by window_start",
        {"start": window_start},
    ).fetchall()
    return [start for (start,) in rows]


def _differs(connection: duckdb.DuckDBPyConnection, window_start: datetime) -> bool:
    ((rows,),) = connection.execute(
        load_sql(__package__, "count_differences.sql"), {"window_start": window_start}
    ).fetchall()
    return bool(rows)


def _write_window(
    connection: duckdb.DuckDBPyConnection,
    window_start: datetime,
    run_id: str,
) -> IdentitiesStitched:
    parameters = {"window_start": window_start}
    for table in ("stitched_identities", "identity_events", "identity_stitches"):
        connection.execute(
            " ".join(["delete from", table, "where window_start = $window_start"]), parameters
        )
    connection.execute("insert into stitched_identities by name from assignments")
    connection.execute(load_sql(__package__, "identity_events.sql"), parameters)
    if not _later_windows(connection, window_start):
        connection.execute("delete from identity_members")
        connection.execute("delete from identity_identifiers")
        connection.execute("delete from quarantined_links")
        connection.execute(load_sql(__package__, "identity_members.sql"))
        connection.execute(load_sql(__package__, "identity_identifiers.sql"))
        connection.execute(
            load_sql(__package__, "quarantined_links.sql"),
            parameters,
        )
    connection.execute(
        load_sql(__package__, "identity_stitches.sql"), {**parameters, "run_id": run_id}
    )
    rows = connection.execute(
        "select records, identities, assigned, merges, splits, quarantined, largest"
        " from identity_stitches where window_start = $window_start",
        parameters,
    ).fetchall()
    names = ("records", "identities", "assigned", "merges", "splits", "quarantined", "largest")
    return IdentitiesStitched(**dict(zip(names, rows[0], strict=True)))


def drop_temporary(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the temporary tables of a stitch, so that another one can make them."""
    for table in _TEMPORARY:
        connection.execute(" ".join(["drop table if exists", f"temp.{table}"]))
