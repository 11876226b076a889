"""Connected components of the graph of records and shared identifiers, with a size guard.

Edges form a star around the first record of each identifier, which joins the same records as all
pairs would, with as many edges as records. The components themselves come from
``scipy.sparse.csgraph.connected_components``.
"""

from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.warehouse import load_sql


class Tightening(NamedTuple):
    """Which identifiers may still link inside an identity that came out too large."""

    max_records: int
    kinds: tuple[str, ...]


TIGHTENINGS = (
    Tightening(3, ("phone", "email")),
    Tightening(2, ("phone", "email")),
    Tightening(2, ("email",)),
)


def resolve_components(connection: duckdb.DuckDBPyConnection, stitching: StitchingSettings) -> None:
    """Make the temporary table ``components``: record_key, component; linked records only.

    A component with more records than ``max_contacts_per_identity`` is resolved again by itself
    with fewer identifiers, step by step. What is still too large at the end is taken apart: its
    records stay alone, and their shared identifiers end up quarantined.

    Reads shared_identifiers and record_identifiers.
    """
    connection.execute("create temp table components (record_key bigint, component bigint)")
    _add_components(
        connection, Tightening(stitching.max_contacts_per_identifier, ("phone", "email")), None
    )
    limit = stitching.max_contacts_per_identity
    for tightening in TIGHTENINGS:
        oversized = _take_oversized(connection, limit)
        if not oversized:
            return
        _add_components(connection, tightening, oversized)
    _take_oversized(connection, limit)


def _add_components(
    connection: duckdb.DuckDBPyConnection, links: Tightening, among: list[int] | None
) -> None:
    """Add the components that these links make, among some records or all of them."""
    among_records = pa.table({"record_key": pa.array(among or [], pa.int64())})
    connection.register("among_records", among_records)
    edges = connection.execute(
        load_sql(__package__, "edges.sql"),
        {
            "max_records": links.max_records,
            "kinds": list(links.kinds),
            "is_limited": among is not None,
        },
    ).fetchnumpy()
    connection.unregister("among_records")
    anchors = np.asarray(edges["anchor"], dtype=np.int64)
    linked_keys = np.asarray(edges["record_key"], dtype=np.int64)
    if not len(anchors):
        return
    nodes, positions = np.unique(np.concatenate([anchors, linked_keys]), return_inverse=True)
    tails, heads = np.split(positions, 2)
    graph = coo_matrix(
        (np.ones(len(tails), dtype=np.int8), (tails, heads)), shape=(len(nodes), len(nodes))
    )
    _, labels = connected_components(graph, directed=False)
    # The smallest record key names the component, so that separate rounds never share a name.
    names = np.full(labels.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(names, labels, nodes)
    found = pa.table({"record_key": nodes, "component": names[labels]})
    connection.register("found_components", found)
    connection.execute("insert into components by name from found_components")
    connection.unregister("found_components")


def _take_oversized(connection: duckdb.DuckDBPyConnection, limit: int) -> list[int]:
    """Remove the components above the limit and give their records."""
    rows = connection.execute(
        load_sql(__package__, "oversized.sql"), {"max_records": limit}
    ).fetchnumpy()
    record_keys = [int(key) for key in rows["record_key"]]
    connection.execute(
        "delete from components where component in ("
        "select component from components group by component having count(*) > $max_records)",
        {"max_records": limit},
    )
    return record_keys
