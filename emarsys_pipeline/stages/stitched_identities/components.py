"""Connected components of the graph of records and shared identifiers.

Edges form a star around the first record of each identifier, which joins the same records as all
pairs would, with as many edges as records. The components themselves come from
``scipy.sparse.csgraph.connected_components``.
"""

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from emarsys_pipeline.warehouse import load_sql

Keys = npt.NDArray[np.int64]


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
    if not len(edges["anchor"]):
        return
    nodes, names = components_of(
        np.asarray(edges["anchor"], np.int64), np.asarray(edges["record_key"], np.int64)
    )
    connection.register("found_components", pa.table({"record_key": nodes, "component": names}))
    connection.execute("insert into components by name from found_components")
    connection.unregister("found_components")


def components_of(tails: Keys, heads: Keys) -> tuple[Keys, Keys]:
    """The nodes of some edges, sorted, and for each the smallest node of its component.

    Args:
        tails: one end of each edge; there is at least one edge.
        heads: its other end.
    """
    # Imported where it is needed: it takes as long as all else that a command imports.
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    nodes, positions = np.unique(np.concatenate([tails, heads]), return_inverse=True)
    dense_tails, dense_heads = np.split(positions.astype(np.int32), 2)
    graph: Any = coo_matrix(
        (np.ones(len(tails), dtype=np.int8), (dense_tails, dense_heads)),
        shape=(len(nodes), len(nodes)),
    )
    _, labels = connected_components(graph, directed=False)
    # The smallest node names the component, so that separate rounds never share a name. The nodes
    # are sorted, and of several writes to one place the last stays.
    names = np.empty(labels.max() + 1, dtype=np.int64)
    names[labels[::-1]] = nodes[::-1]
    return nodes, names[labels]
