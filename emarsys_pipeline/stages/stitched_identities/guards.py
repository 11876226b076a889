"""What keeps the records of a component apart, after the components are known.

Each guard decides on one component of ``resolve_components`` by its own records and identifiers
alone. So whoever resolves whole components, all of them or only those that changed, gets the same
identities.

In this order:

1. Conflicts, and links that a decision took from single contacts: their rows go to ``cut_links``.
2. Size: a component with more records than ``max_contacts_per_identity`` is resolved again by
   itself with fewer identifiers, step by step. What is still too large at the end is taken apart,
   but for what decisions joined or released.
3. Splits: two contacts that a decision split are never in one component.
"""

from typing import Literal, NamedTuple

import duckdb

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities.components import add_components
from emarsys_pipeline.stages.stitched_identities.splits import separate_split_pairs
from emarsys_pipeline.warehouse import load_sql

BOTH_KINDS = ("phone", "email")


class Tightening(NamedTuple):
    """Which identifiers may still link inside an identity that came out too large."""

    max_records: int
    kinds: tuple[str, ...]


TIGHTENINGS = (
    Tightening(3, BOTH_KINDS),
    Tightening(2, BOTH_KINDS),
    Tightening(2, ("email",)),
)
# Identifiers that were released, and joins, link always.
ONLY_DECISIONS = Tightening(0, ())

# Which links of a contact in conflict are held back.
CUT_KINDS: dict[Literal["quarantine", "phone", "email", "merge"], tuple[str, ...]] = {
    "quarantine": BOTH_KINDS,
    "phone": ("email",),
    "email": ("phone",),
    "merge": (),
}


def guard_components(connection: duckdb.DuckDBPyConnection, stitching: StitchingSettings) -> None:
    """Bring the temporary table ``components`` under the guards.

    Makes ``cut_links``: record_key, kind, value, reason, decision_id; one row per contact and
    identifier that links others but not this contact.

    Reads records, record_identifiers, shared_identifiers, decided_pairs and active_decisions.
    """
    connection.execute(
        "create temp table cut_links (record_key bigint, kind varchar, value varchar,"
        " reason varchar, decision_id varchar)"
    )
    _cut_links(connection, stitching)
    limit = stitching.max_contacts_per_identity
    for tightening in TIGHTENINGS:
        if not _take_oversized(connection, limit):
            break
        if tightening == TIGHTENINGS[0]:
            # Whatever is too large later is part of what is now.
            connection.execute(load_sql(__package__, "among_identifiers.sql"))
        _resolve_again(connection, tightening)
    else:
        if _take_oversized(connection, limit):
            _resolve_again(connection, ONLY_DECISIONS)
    separate_split_pairs(connection)


def _cut_links(connection: duckdb.DuckDBPyConnection, stitching: StitchingSettings) -> None:
    connection.execute(load_sql(__package__, "confirmed_cuts.sql"))
    kinds = CUT_KINDS[stitching.messaging_conflict]
    if kinds:
        connection.execute(load_sql(__package__, "conflicts.sql"), {"kinds": list(kinds)})
    if _take(connection, "select component from components semi join cut_links using (record_key)"):
        connection.execute(load_sql(__package__, "among_identifiers.sql"))
        widest = Tightening(stitching.max_contacts_per_identifier, BOTH_KINDS)
        _resolve_again(connection, widest)


def _take_oversized(connection: duckdb.DuckDBPyConnection, limit: int) -> bool:
    return _take(
        connection,
        "select component from components group by component having count(*) > $limit",
        limit=limit,
    )


def _take(connection: duckdb.DuckDBPyConnection, chosen: str, **parameters: int) -> bool:
    """Move the records of these components to ``among_records``; tell whether there are any."""
    connection.execute("drop table if exists temp.among_records")
    ((taken,),) = connection.execute(
        " ".join(
            [
                "create temp table among_records as select record_key from components",
                f"where component in ({chosen})",
            ]
        ),
        parameters,
    ).fetchall()
    if taken:
        connection.execute("delete from components where record_key in (from among_records)")
    return bool(taken)


def _resolve_again(connection: duckdb.DuckDBPyConnection, links: Tightening) -> None:
    add_components(
        connection,
        "guarded_edges.sql",
        {"max_records": links.max_records, "kinds": list(links.kinds)},
    )
