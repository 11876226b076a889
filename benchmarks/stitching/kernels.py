"""Contestants for the connected components of one graph, each in a process of its own.

All read ``nodes`` and ``edges`` from a DuckDB file and write ``components`` into it: one row per
node, with the smallest node of its component. Imports are outside the clock.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.stitching.measure import Clock, import_all
from emarsys_pipeline.stages.stitched_identities.components import Keys, components_of
from emarsys_pipeline.warehouse import load_sql

igraph: Any = None
networkx: Any = None
splink: Any = None

Contestant = Callable[[duckdb.DuckDBPyConnection], None]


def floor(connection: duckdb.DuckDBPyConnection) -> None:
    """Read the edges and write one row per node, without finding anything."""
    connection.execute("select anchor, record_key from edges").fetchnumpy()
    connection.execute("create table components as select node, node as component from nodes")


def ours(connection: duckdb.DuckDBPyConnection) -> None:
    """What stitching does."""
    edges = connection.execute("select anchor, record_key from edges").fetchnumpy()
    nodes, names = components_of(
        np.asarray(edges["anchor"], np.int64), np.asarray(edges["record_key"], np.int64)
    )
    _write(connection, nodes, names)


def use_igraph(connection: duckdb.DuckDBPyConnection) -> None:
    """Igraph over dense keys."""
    edges, keys = _dense(connection)
    graph = igraph.Graph(n=len(keys), edges=edges.T)
    labels = np.asarray(graph.connected_components().membership)
    _write_labels(connection, keys, labels)


def use_networkx(connection: duckdb.DuckDBPyConnection) -> None:
    """Networkx over Python numbers."""
    edges = connection.execute("select anchor, record_key from edges").fetchnumpy()
    graph: Any = networkx.Graph()
    graph.add_edges_from(zip(edges["anchor"].tolist(), edges["record_key"].tolist(), strict=True))
    nodes: list[int] = []
    names: list[int] = []
    for found in networkx.connected_components(graph):
        nodes.extend(found)
        names.extend([min(found)] * len(found))
    _write(connection, np.asarray(nodes), np.asarray(names))


def use_splink(connection: duckdb.DuckDBPyConnection) -> None:
    """Splink's clustering step, on its DuckDB back end."""
    backend = splink.DuckDBAPI(connection=connection)
    clusters = splink.clustering.cluster_pairwise_predictions_at_threshold(
        nodes="nodes",
        edges="edges",
        db_api=backend,
        node_id_column_name="node",
        edge_id_column_name_left="anchor",
        edge_id_column_name_right="record_key",
    )
    connection.execute(
        "create table components as select node, cluster_id as component"  # noqa: S608 - Splink's name
        f" from {clusters.physical_name}"
    )


def use_recursive_sql(connection: duckdb.DuckDBPyConnection) -> None:
    """A recursive query of DuckDB: labels spread downhill only."""
    connection.execute(load_sql("benchmarks.stitching", "recursive_components.sql"))


def _dense(
    connection: duckdb.DuckDBPyConnection,
) -> tuple[Keys, Keys]:
    edges = connection.execute("select anchor, record_key from edges").fetchnumpy()
    both = np.stack([edges["anchor"], edges["record_key"]])
    keys, positions = np.unique(both, return_inverse=True)
    return positions.reshape(both.shape), keys


def _write_labels(connection: duckdb.DuckDBPyConnection, keys: Keys, labels: Keys) -> None:
    names = np.empty(labels.max() + 1, dtype=np.int64)
    names[labels[::-1]] = keys[::-1]
    _write(connection, keys, names[labels])


def _write(connection: duckdb.DuckDBPyConnection, nodes: Keys, names: Keys) -> None:
    connection.register("found", pa.table({"node": nodes, "component": names}))
    connection.execute(
        "create table components as"
        " select node, coalesce(component, node) as component"
        " from nodes left join found using (node)"
    )


CONTESTANTS: dict[str, Contestant] = {
    "floor": floor,
    "ours": ours,
    "splink": use_splink,
    "igraph": use_igraph,
    "networkx": use_networkx,
    "recursive SQL": use_recursive_sql,
}


# Imported for their contestant alone, so that none pays for the memory of another.
MODULES = {
    "ours": ("scipy.sparse.csgraph",),
    "igraph": ("igraph",),
    "networkx": ("networkx",),
    "splink": ("splink.clustering", "splink"),
}


def main(name: str, path: Path) -> None:
    """Let one contestant run."""
    clock = Clock()
    for module in MODULES.get(name, ()):
        globals()[module.partition(".")[0]] = import_module(module)
    connection = duckdb.connect(str(path))
    connection.execute("drop table if exists components")
    import_all()
    with clock.measure(name):
        CONTESTANTS[name](connection)
    ((digest, count),) = connection.execute(
        "select bit_xor(hash(node, component))::varchar, count(distinct component) from components"
    ).fetchall()
    connection.close()
    clock.say(digest=digest, components=count)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
