"""Temporary tables of what people decided and what the settings block, for one stitch."""

from datetime import datetime
from importlib import resources

import duckdb

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.warehouse import load_decisions_in_force, load_sql

TEMPORARY = (
    "active_decisions",
    "decided_pairs",
    "blocked_identifiers",
    "released_identifiers",
)


def load_decisions(
    connection: duckdb.DuckDBPyConnection, window_start: datetime, stitching: StitchingSettings
) -> None:
    """Make active_decisions, decided_pairs, blocked_identifiers and released_identifiers.

    A temporary table ``proposed_decisions`` with the columns of identity_decisions adds to what is
    stored, where one exists.

    Reads identity_decisions and records.
    """
    connection.execute(
        "create temp table if not exists proposed_decisions as from identity_decisions limit 0"
    )
    connection.execute(
        load_sql(
            __package__,
            "active_decisions.sql",
            decisions_in_force=load_decisions_in_force("known"),
        ),
        {"window_start": window_start},
    )
    connection.execute(load_sql(__package__, "decided_pairs.sql"))
    curated = resources.files(__package__).joinpath("blocked_identifiers.csv")
    with resources.as_file(curated) as path:
        connection.execute(
            load_sql(__package__, "blocked_identifiers.sql"),
            {
                "path": str(path),
                "block_placeholders": stitching.block_placeholders,
                "configured": [value.lower() for value in stitching.blocked_identifiers],
            },
        )


def block_patterns(connection: duckdb.DuckDBPyConnection, stitching: StitchingSettings) -> None:
    """Add to ``blocked_identifiers`` the held identifiers that match a configured pattern."""
    for pattern in stitching.blocked_patterns:
        connection.execute(load_sql(__package__, "blocked_patterns.sql"), {"pattern": pattern})
