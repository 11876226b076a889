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

In the mode ``incremental`` the records of the components that the window touches are linked anew
(:mod:`.narrowed`); in the mode ``full``, and when there is nothing to build on, all of them, which
gives the same. Only what differs is written. In the mode ``incremental`` all are linked from time
to time, too, to see that nothing was missed; if it was, all that is stored is derived anew.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import duckdb

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities.continuity import (
    StitchPlan,
    guards_of,
    inputs_of,
    plan_stitch,
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
from emarsys_pipeline.stages.stitched_identities.narrowed import count_missed, find_touched
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
    largest identity; ``quarantined`` counts identifiers that link nobody. ``missed`` assignments
    were put right by linking all records, as linking the touched ones would not have done; None
    where that was not looked at.
    """

    records: int
    identities: int
    assigned: int
    merges: int
    splits: int
    quarantined: int
    largest: int
    missed: int | None = None


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
        missed: list[int | None] = [None]
        if not later or _differs(stitch, window.start):
            if stitched:
                rewind_members(connection, window.start)
            starts = [window.start, *later]
            missed = [
                _stitch_next(stitch, start, is_last=start == starts[-1], is_rewound=bool(stitched))
                for start in starts
            ]
        result = _result(connection, window.start, missed[0])
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
) -> int | None:
    """Stitch the window after those that are stitched; how many assignments had been missed.

    Args:
        stitch: what is the same for all windows.
        window_start: the window.
        is_last: no other follows in this call, so the present state is brought up to it.
        is_rewound: the present state belongs to another window than the one before.
    """
    connection = stitch.connection
    drop_temporary(connection)
    with limited_memory(connection):
        assigned = _assign(stitch, window_start, is_last=is_last, is_rewound=is_rewound)
    if is_last:
        write_golden_records(
            connection,
            window_start,
            stitch.property_types,
            rules=stitch.stitching.golden_records,
            rebuild=not assigned.is_refresh,
            sources=assigned.golden_sources,
        )
    drop_temporary(connection)
    return assigned.missed


class _Assigned(NamedTuple):
    """What golden records must know of a stitch, and how many assignments had been missed."""

    is_refresh: bool
    golden_sources: GoldenSources
    missed: int | None


def _assign(
    stitch: _Stitch, window_start: datetime, *, is_last: bool, is_rewound: bool
) -> _Assigned:
    """Write all but the golden records, with arguments as for :func:`_stitch_next`."""
    connection = stitch.connection
    is_newest = load_records(connection, window_start)
    load_decisions(connection, window_start, stitch.stitching)
    guards = guards_of(connection, stitch.stitching, stitch.property_types)
    previous = previous_stitch(connection, guards)
    plan = plan_stitch(stitch.stitching, window_start, previous, is_rewound=is_rewound)
    if plan.touched_only:
        # Of a few rows, two threads take a seventh more CPU time to be done a quarter sooner.
        connection.execute("set threads = 1")
    if plan.after is not None:
        load_changes(connection, window_start, plan.after)
    if plan.is_verified:
        find_touched(connection, stitch.stitching)
    map_loaded_records(connection, stitch.stitching, touched_only=plan.touched_only)
    load_erased(connection, window_start)
    write_members(connection, window_start, stitch.run_id, are_all=not plan.touched_only)
    missed = count_missed(connection) if plan.is_verified else None
    if missed:
        logger.warning(
            "%d contacts had another identity than linking all contacts gives: this is put right, "
            "and all persons are derived anew",
            missed,
        )
    is_refresh = plan.is_refresh and not missed
    _write_quarantine(connection, touched_only=plan.touched_only)
    _write_counts(stitch, window_start, guards, plan)
    if is_last and is_refresh:
        connection.execute(
            load_sql(
                __package__,
                "refresh_identity_identifiers.sql",
                assignments="identity_map" if plan.touched_only else "identity_members",
            )
        )
    elif is_last:
        connection.execute("delete from identity_identifiers")
        with one_thread(connection):
            connection.execute(load_sql(__package__, "identity_identifiers.sql"))
    sources = _golden_sources(touched_only=plan.touched_only, is_newest=is_newest)
    return _Assigned(is_refresh, sources, missed)


def _golden_sources(*, touched_only: bool, is_newest: bool) -> GoldenSources:
    """Golden records are of the newest values, also when an earlier window is stitched."""
    if not touched_only:
        return EVERYTHING
    contacts = "looked_up_contacts" if is_newest else EVERYTHING.contacts
    return GoldenSources("members_now", "members_around", contacts, "looked_up_platform_records")


def _write_quarantine(connection: duckdb.DuckDBPyConnection, *, touched_only: bool) -> None:
    if touched_only:
        connection.execute(load_sql(__package__, "forget_looked_at_links.sql"))
    else:
        connection.execute("delete from quarantined_links")
    connection.execute(load_sql(__package__, "quarantined_links.sql"), {"too_large": TOO_LARGE})


def _write_counts(stitch: _Stitch, window_start: datetime, guards: str, plan: StitchPlan) -> None:
    facts: dict[str, object] = {
        "window_start": window_start,
        "run_id": stitch.run_id,
        "guards": guards,
        "inputs": inputs_of(stitch.connection, window_start),
    }
    name = "identity_stitches.sql"
    if plan.touched_only:
        name = "identity_stitches_of_changes.sql"
        facts["after"] = plan.after
    stitch.connection.execute(load_sql(__package__, name), facts)


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


def _result(
    connection: duckdb.DuckDBPyConnection, window_start: datetime, missed: int | None
) -> IdentitiesStitched:
    names = ("records", "identities", "assigned", "merges", "splits", "quarantined", "largest")
    rows = connection.execute(
        "select records, identities, assigned, merges, splits, quarantined, largest"
        " from identity_stitches where window_start = $window_start",
        {"window_start": window_start},
    ).fetchall()
    return IdentitiesStitched(**dict(zip(names, rows[0], strict=True)), missed=missed)
