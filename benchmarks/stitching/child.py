"""The pieces of work that :mod:`benchmarks.stitching` measures, each in a process of its own."""

import sys
from collections.abc import Callable
from pathlib import Path

import duckdb

from benchmarks.stitching.kernels import MODULES
from benchmarks.stitching.measure import Clock, import_all
from benchmarks.stitching.population import PROPERTY_TYPES, add_population, open_warehouse
from benchmarks.stitching.window import FIRST
from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities import stitch, stitch_identities
from emarsys_pipeline.stages.stitched_identities.identity_map import map_records
from emarsys_pipeline.stages.stitched_identities.temporary import MEMORY_LIMIT
from emarsys_pipeline.warehouse import load_sql

PACKAGE = "benchmarks.stitching"
CAPS = StitchingSettings()


def generate(folder: Path, contacts: str) -> None:
    """Make the population."""
    clock = Clock()
    with clock.measure("generate"):
        add_population(folder, int(contacts))
    clock.say()


def stitch_all(folder: Path, with_golden_records: str) -> None:
    """Stitch it, and keep the result: with golden records (yes) or without them (no)."""
    clock = Clock()
    if with_golden_records == "no":
        vars(stitch)["write_golden_records"] = lambda *_, **__: None
    import_all(*MODULES["ours"])
    with clock.measure("stitch"):
        result = stitch_identities(
            open_warehouse(folder),
            FIRST,
            stitching=CAPS,
            property_types=PROPERTY_TYPES,
            run_id="run",
        )
    clock.say(
        records=result.records,
        identities=result.identities,
        largest=result.largest,
        quarantined=result.quarantined,
    )


def floor(folder: Path) -> None:
    """Do what nobody can avoid, on a stitched warehouse: the pieces are added up by the caller."""
    clock = Clock()
    connection = duckdb.connect(str(folder / "warehouse.duckdb"))
    connection.execute("set memory_limit = $limit", {"limit": MEMORY_LIMIT})
    connection.begin()
    for table in ("members", "identifiers"):
        connection.execute(f"create temp table present_{table} as from identity_{table}")
        connection.execute(f"create table written_{table} as from identity_{table} limit 0")
    for piece in ("aggregate", "join", "write members", "write identifiers"):
        # The maps are written with one thread, as stitching writes them, which is the cheaper way.
        threads = "set threads = 1" if piece.startswith("write") else "reset threads"
        connection.execute(threads)
        with clock.measure(piece):
            connection.execute(load_sql(PACKAGE, f"floor_{piece.replace(' ', '_')}.sql"))
    with clock.measure("commit"):
        connection.commit()
        connection.close()
    clock.say()


def graph(folder: Path, target: str) -> None:
    """Write the graph of the population to a file of its own: nodes and edges of integers."""
    with open_warehouse(folder).read() as connection:
        map_records(connection, FIRST.start, CAPS)
        edges = load_sql("emarsys_pipeline.stages.stitched_identities", "edges.sql")
        connection.execute(f"attach '{target}' as graph")
        connection.execute(f"create table graph.edges as {edges}")
        connection.execute("create table graph.nodes as select record_key as node from records")
        connection.execute("detach graph")
    Clock().say()


if __name__ == "__main__":
    tasks: dict[str, Callable[..., None]] = {
        "generate": generate,
        "stitch": stitch_all,
        "floor": floor,
        "graph": graph,
    }
    tasks[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
