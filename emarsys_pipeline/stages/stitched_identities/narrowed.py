"""Narrows a stitch to the components that a window's changes touch.

A component is the same as in the window before unless one of its records, or an identifier that
links its records now or did before, is touched: a record, when it is new or holds other
identifiers than before; an identifier, when its holders are others. So the records of the
components of these, old and new, are stitched again; components that hold a record somebody
decided about are always among them. Every guard decides on one component by itself, so that the
others stay as they are.

Identifiers that link nobody may have holders outside these components, called neighbours here. They
count for how many hold the identifier and for how many identities, and are not assigned anew. Where
it stays above all limits, the identifier is settled: only the number of its holders is kept up.
"""

import duckdb

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities.quarantine import TOO_LARGE
from emarsys_pipeline.warehouse import load_sql

TEMPORARY = (
    "settled_identifiers",
    "looked_up_holders",
    "touched_holders",
    "decided_records",
    "looked_up_members",
    "reopening_records",
    "reopening_components",
    "members_around",
    "narrowed_keys",
    "looked_up_keys",
    "looked_up_contacts",
    "looked_up_platform_records",
    "narrowed_pairs",
    "former_identities",
)


def find_touched(connection: duckdb.DuckDBPyConnection, stitching: StitchingSettings) -> None:
    """Make ``narrowed_keys``, the records of the components that the window's changes touch.

    Makes ``members_around``, the assignments that a stitch of these may change or that changed
    records have, too.

    Reads what load_records, load_decisions and load_changes make.
    """
    connection.execute(
        load_sql(__package__, "settled_identifiers.sql"),
        {
            "max_records": max(
                stitching.max_contacts_per_identity, stitching.max_contacts_per_identifier
            ),
            "too_large": TOO_LARGE,
        },
    )
    connection.execute(load_sql(__package__, "looked_up_holders.sql"), {"too_large": TOO_LARGE})
    connection.execute(
        load_sql(__package__, "reopening_records.sql"),
        {"max_records": stitching.max_contacts_per_identifier},
    )
    connection.execute(load_sql(__package__, "narrowed_keys.sql"))


def count_missed(connection: duckdb.DuckDBPyConnection) -> int:
    """How many assignments changed, all records linked anew, that narrowing would not have seen."""
    ((missed,),) = connection.execute(
        "select count(*) from changed_members"
        " anti join narrowed_keys using (source, account, contact_id)"
    ).fetchall()
    return int(missed)


def narrow_records(connection: duckdb.DuckDBPyConnection, stitching: StitchingSettings) -> None:
    """Narrow records and held_identifiers to what :func:`find_touched` finds.

    Makes ``record_identifiers`` of them and their neighbours, ``narrowed_pairs``, one row per
    holder of any identifier of these records, ``former_identities``, the identity that each of them
    had in the window before, and ``looked_up_contacts`` and ``looked_up_platform_records``, the
    records of members_around.
    """
    find_touched(connection, stitching)
    connection.execute(load_sql(__package__, "narrowed_records.sql"))
    connection.execute(load_sql(__package__, "records.sql", of="narrowed_"))
    connection.execute(load_sql(__package__, "narrowed_pairs.sql"))


def add_neighbours(connection: duckdb.DuckDBPyConnection) -> None:
    """Add to ``components`` the neighbours, so that those of one identity have one component."""
    connection.execute(load_sql(__package__, "neighbours.sql"))
