"""Narrows a stitch to the components that a window's changes touch.

A component is the same as in the window before unless one of its records, or an identifier that
links its records now or did before, is touched: a record, when it is new or holds other
identifiers than before; an identifier, when its holders are others. So the records of the
components of these, old and new, are stitched again; components that hold a record somebody
decided about are always among them. Every guard decides on one component by itself, so that the
others stay as they are.

Identifiers that link nobody may have holders outside these components, called neighbours here. They
count for how many hold the identifier and for how many identities, and are not assigned anew.
"""

import duckdb

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.warehouse import load_sql

TEMPORARY = (
    "touched_holders",
    "decided_records",
    "reopening_members",
    "reopening_records",
    "reopened_members",
    "present_members",
    "narrowed_keys",
    "narrowed_emarsys_records",
    "narrowed_platform_records",
    "narrowed_pairs",
    "neighbours",
    "former_identities",
)


def narrow_records(connection: duckdb.DuckDBPyConnection, stitching: StitchingSettings) -> None:
    """Narrow records and held_identifiers, and make ``record_identifiers`` of them and neighbours.

    Makes ``narrowed_pairs``, one row per holder of any identifier of these records,
    ``former_identities``, the identity that each of them had in the window before, and
    ``present_members``, the assignments that this stitch may change or that changed records have.
    """
    connection.execute(
        load_sql(__package__, "reopening_records.sql"),
        {"max_records": stitching.max_contacts_per_identifier},
    )
    connection.execute(load_sql(__package__, "narrowed_records.sql"))
    connection.execute(load_sql(__package__, "records.sql", of="narrowed_"))
    connection.execute(load_sql(__package__, "narrowed_pairs.sql"))


def add_neighbours(connection: duckdb.DuckDBPyConnection) -> None:
    """Add to ``components`` the neighbours, so that those of one identity have one component."""
    connection.execute(load_sql(__package__, "neighbours.sql"))
