"""Writing a database file anew: deleted rows stay in its free blocks until they are overwritten."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb


def rewrite_file(path: Path, config: Mapping[str, Any]) -> None:
    """Replace a DuckDB file by a copy of what it holds now, in one step. Callers hold its lock."""
    building = path.with_name(f"{path.name}.rewriting")
    _remove(building)
    connection = duckdb.connect(str(path), config=dict(config))
    try:
        name = connection.execute("select current_database()").fetchall()[0][0]
        literal = "'" + str(building).replace("'", "''") + "'"
        connection.execute(" ".join(["attach", literal, "as rewritten"]))
        connection.execute(f'copy from database "{name}" to rewritten')
        connection.execute("detach rewritten")
        # Nothing may be left to be replayed over the new file.
        connection.execute("force checkpoint")
    finally:
        connection.close()
    with building.open("rb") as file:
        os.fsync(file.fileno())
    log = path.with_name(f"{path.name}.wal")
    if log.exists() and log.stat().st_size:
        raise RuntimeError(f"{log.name} holds changes after a checkpoint: is the file open twice?")
    log.unlink(missing_ok=True)
    building.replace(path)
    _sync_folder(path.parent)
    shutil.rmtree(path.with_name(f"{path.name}.tmp"), ignore_errors=True)


def _remove(building: Path) -> None:
    for leftover in (building, building.with_name(f"{building.name}.wal")):
        leftover.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
