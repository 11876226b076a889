"""Which identity each record belongs to at a window, in temporary tables."""

from datetime import datetime

import duckdb

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities.components import resolve_components
from emarsys_pipeline.stages.stitched_identities.decided import block_patterns, load_decisions
from emarsys_pipeline.stages.stitched_identities.guards import guard_components
from emarsys_pipeline.stages.stitched_identities.narrowed import add_neighbours, narrow_records
from emarsys_pipeline.stages.stitched_identities.records import load_records
from emarsys_pipeline.warehouse import load_sql


def map_records(
    connection: duckdb.DuckDBPyConnection, window_start: datetime, stitching: StitchingSettings
) -> None:
    """Make ``identity_map`` and ``shared_identities`` of a window, and what they are made of.

    Writes temporary tables only, so it also serves a preview on the analysts' copy.
    """
    load_records(connection, window_start)
    load_decisions(connection, window_start, stitching)
    map_loaded_records(connection, stitching)


def map_loaded_records(
    connection: duckdb.DuckDBPyConnection,
    stitching: StitchingSettings,
    *,
    touched_only: bool = False,
) -> None:
    """Do the part of :func:`map_records` that follows the loading of records and decisions.

    Args:
        connection: an open transaction.
        stitching: the guards.
        touched_only: narrow records to the components that the window's changes touch, which
            pair_changes and changed_records tell; identity_members is that of the window before.
    """
    if touched_only:
        narrow_records(connection, stitching)
    connection.execute(
        "create temp table if not exists settled_identifiers (kind varchar, value varchar)"
    )
    block_patterns(connection, stitching)
    if not touched_only:
        connection.execute(load_sql(__package__, "identifiers.sql"))
    connection.execute(
        load_sql(__package__, "shared_identifiers.sql"),
        {"max_records": stitching.max_contacts_per_identifier},
    )
    resolve_components(connection)
    connection.execute("create temp table whole_components as from components")
    guard_components(connection, stitching)
    connection.execute(load_sql(__package__, "linked_records.sql"))
    if touched_only:
        add_neighbours(connection)
    connection.execute(load_sql(__package__, "shared_identities.sql"))
