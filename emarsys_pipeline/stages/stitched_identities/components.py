"""Connected components of the graph of records and shared identifiers.

Edges form a star around the first record of each identifier, which joins the same records as all
pairs would, with as many edges as records. The components themselves come from
``scipy.sparse.csgraph.connected_components``.
"""

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from emarsys_pipeline.warehouse import load_sql


def resolve_components(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary table ``components``: record_key, component; linked records only.

    They are what all linking identifiers and joins make, before any guard.

    Reads record_identifiers, shared_identifiers and decided_pairs.
    """
    connection.execute("create temp table components (record_key bigint, component bigint)")
    add_components(connection, "edges.sql")


def add_components(
    connection: duckdb.DuckDBPyConnection,
    edges_file: str,
    parameters: Mapping[str, Any] | None = None,
) -> None:
    """Add the components of the edges that an SQL file gives, as anchor and record_key."""
    edges = connection.execute(
        load_sql(__package__, edges_file), dict(parameters or {})
    ).fetchnumpy()
    anchors = np.asarray(edges["anchor"], dtype=np.int64)
    linked_keys = np.asarray(edges["record_key"], dtype=np.int64)
    if not len(anchors):
        return
    nodes, positions = np.unique(np.concatenate([anchors, linked_keys]), return_inverse=True)
    tails, heads = np.split(positions.astype(np.int32), 2)
    graph = coo_matrix(
        (np.ones(len(tails), dtype=np.int8), (tails, heads)), shape=(len(nodes), len(nodes))
    )
    _, labels = connected_components(graph, directed=False)
    # The smallest record key names the component, so that separate rounds never share a name.
    # The nodes are sorted, and of several writes to one place the last stays.
    names = np.empty(labels.max() + 1, dtype=np.int64)
    names[labels[::-1]] = nodes[::-1]
    found = pa.table({"record_key": nodes, "component": names[labels]})
    connection.register("found_components", found)
    connection.execute("insert into components by name from found_components")
    connection.unregister("found_components")
