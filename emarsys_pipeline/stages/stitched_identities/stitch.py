"""Links the contacts of all accounts and of the messaging side into identities.

Reads mapped_contacts, current_contacts and platform_contacts up to the window; writes the present
state, identity_members, identity_identifiers, quarantined_links and identities, and for the window
identity_events, identity_stitches and, in former_members, the assignments that it replaces. The
view stitched_identities has one row per record whose identity was assigned or changed in a window.
A second run writes the same rows. Nothing makes it stop: an identifier that would link too many
records links nobody and is listed.

An identity is a connected component of the graph of records and shared identifiers. Its id is a
hash of its first record by (first window, source, account, contact id): a function of the data
alone, whatever the order of rows or runs.

All records are linked anew for each window, or in the mode ``incremental`` those of the components
that the window touches (:mod:`.narrowed`), which gives the same. Only what differs is written.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import duckdb

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities.continuity import (
    guards_of,
    inputs_of,
    previous_stitch,
)
from emarsys_pipeline.stages.stitched_identities.decided import load_decisions
from emarsys_pipeline.stages.stitched_identities.golden import (
    EVERYTHING,
    GoldenSources,
    write_golden_records,
)
from emarsys_pipeline.stages.stitched_identities.identity_map import (
    map_loaded_records,
    map_records,
)
from emarsys_pipeline.stages.stitched_identities.members import (
    load_erased,
    rewind_members,
    write_members,
)
from emarsys_pipeline.stages.stitched_identities.quarantine import TOO_LARGE
from emarsys_pipeline.stages.stitched_identities.records import load_changes, load_records
from emarsys_pipeline.stages.stitched_identities.temporary import (
    drop_temporary,
    limited_memory,
    one_thread,
)
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.warehouse.columns import ensure_property_columns
from emarsys_pipeline.windows import Window

logger = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stitch:
    """What is the same for all windows that one call stitches."""

    connection: duckdb.DuckDBPyConnection
    stitching: StitchingSettings
    property_types: Mapping[str, str]
    run_id: str


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
        connection.execute("reset threads")
        ensure_property_columns(connection, property_types)
        stitch = _Stitch(
            connection=connection,
            stitching=stitching,
            property_types=property_types,
            run_id=run_id,
        )
        stitched = _stitched_windows(connection, window.start)
        later = [start for start in stitched if start > window.start]
        if not later or _differs(stitch, window.start):
            if stitched:
                rewind_members(connection, window.start)
            starts = [window.start, *later]
            for start in starts:
                _stitch_next(stitch, start, is_last=start == starts[-1], is_rewound=bool(stitched))
        result = _result(connection, window.start)
        # The commit packs rows as well; with several threads it sometimes takes twice the CPU time.
        connection.execute("set threads = 1")
    logger.info(
        "stitched %d records into %d identities (%d merges, %d splits)",
        result.records,
        result.identities,
        result.merges,
        result.splits,
    )
    return result


def _differs(stitch: _Stitch, window_start: datetime) -> bool:
    """Whether a window that others follow would be assigned otherwise than it was."""
    drop_temporary(stitch.connection)
    map_records(stitch.connection, window_start, stitch.stitching)
    load_erased(stitch.connection, window_start)
    ((rows,),) = stitch.connection.execute(
        load_sql(__package__, "count_differences.sql"), {"window_start": window_start}
    ).fetchall()
    drop_temporary(stitch.connection)
    return bool(rows)


def _stitch_next(
    stitch: _Stitch, window_start: datetime, *, is_last: bool, is_rewound: bool
) -> None:
    """Stitch the window after those that are stitched.

    Args:
        stitch: what is the same for all windows.
        window_start: the window.
        is_last: no other follows in this call, so the present state is brought up to it.
        is_rewound: the present state belongs to another window than the one before.
    """
    connection = stitch.connection
    drop_temporary(connection)
    with limited_memory(connection):
        how = _assign(stitch, window_start, is_last=is_last, is_rewound=is_rewound)
    if is_last:
        write_golden_records(
            connection,
            window_start,
            stitch.property_types,
            rules=stitch.stitching.golden_records,
            rebuild=not how.is_refresh,
            sources=how.golden_sources,
        )
    drop_temporary(connection)


class _How(NamedTuple):
    """Whether the stitch before was built on, and where the golden records find their values."""

    is_refresh: bool
    golden_sources: GoldenSources


def _assign(stitch: _Stitch, window_start: datetime, *, is_last: bool, is_rewound: bool) -> _How:
    """Write all but the golden records, with arguments as for :func:`_stitch_next`."""
    connection = stitch.connection
    at_window = {"window_start": window_start}
    is_newest = load_records(connection, window_start)
    load_decisions(connection, window_start, stitch.stitching)
    guards = guards_of(connection, stitch.stitching, stitch.property_types)
    previous = previous_stitch(connection, guards)
    is_refresh = (
        previous is not None and previous.records > 0 and previous.is_unchanged and not is_rewound
    )
    if previous is not None:
        load_changes(connection, window_start, previous.window_start)
    touched_only = stitch.stitching.mode == "incremental" and _can_narrow(is_refresh=is_refresh)
    map_loaded_records(connection, stitch.stitching, touched_only=touched_only)
    load_erased(connection, window_start)
    write_members(connection, window_start, stitch.run_id, are_all=not touched_only)
    if touched_only:
        connection.execute(load_sql(__package__, "keep_quarantined_links.sql"), at_window)
    else:
        connection.execute("delete from quarantined_links")
    connection.execute(
        load_sql(__package__, "quarantined_links.sql"), {**at_window, "too_large": TOO_LARGE}
    )
    facts: dict[str, object] = {
        **at_window,
        "run_id": stitch.run_id,
        "guards": guards,
        "inputs": inputs_of(connection, window_start),
    }
    if touched_only and previous is not None:
        connection.execute(
            load_sql(__package__, "identity_stitches_of_changes.sql"),
            {**facts, "after": previous.window_start},
        )
    else:
        connection.execute(load_sql(__package__, "identity_stitches.sql"), facts)
    if is_last and is_refresh:
        connection.execute(
            load_sql(
                __package__,
                "refresh_identity_identifiers.sql",
                assignments="identity_map" if touched_only else "identity_members",
            )
        )
    elif is_last:
        connection.execute("delete from identity_identifiers")
        with one_thread(connection):
            connection.execute(load_sql(__package__, "identity_identifiers.sql"))
    return _How(is_refresh, _golden_sources(touched_only=touched_only, is_newest=is_newest))


def _golden_sources(*, touched_only: bool, is_newest: bool) -> GoldenSources:
    """Golden records are of the newest values, also when an earlier window is stitched."""
    if not touched_only:
        return EVERYTHING
    contacts = "looked_up_contacts" if is_newest else EVERYTHING.contacts
    return GoldenSources("members_now", "members_around", contacts, "looked_up_platform_records")


def _can_narrow(*, is_refresh: bool) -> bool:
    """Whether stitching what the window touches gives what stitching everything does."""
    if not is_refresh:
        logger.info(
            "stitching everything: nothing was stitched before, or settings, decisions or rows of "
            "earlier windows changed since, or the window had been stitched"
        )
    return is_refresh


def _stitched_windows(
    connection: duckdb.DuckDBPyConnection, window_start: datetime
) -> list[datetime]:
    """The windows from this one on that have been stitched, in order."""
    rows = connection.execute(
        "select window_start from identity_stitches where window_start >= $start"
        " order by window_start",
        {"start": window_start},
    ).fetchall()
    return [start for (start,) in rows]


def _result(connection: duckdb.DuckDBPyConnection, window_start: datetime) -> IdentitiesStitched:
    names = ("records", "identities", "assigned", "merges", "splits", "quarantined", "largest")
    rows = connection.execute(
        "select records, identities, assigned, merges, splits, quarantined, largest"
        " from identity_stitches where window_start = $window_start",
        {"window_start": window_start},
    ).fetchall()
    return IdentitiesStitched(**dict(zip(names, rows[0], strict=True)))
