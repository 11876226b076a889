"""Writes the upserts of each window into a file that others take from a folder.

Reads contact_upserts; writes one file per window: one line or row per identity, its newest upsert
of that window. A second run writes the same bytes. It stops when the folder cannot be written.

A file appears whole or not at all: it is written beside its place and moved there.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from emarsys_pipeline.settings import HandOverSettings
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.windows import Window

_FORMATS = {"ndjson": "(format json)", "parquet": "(format parquet, compression zstd)"}
# JSON has no type for a moment.
_WINDOW_START = {
    "ndjson": "strftime(window_start, '%Y-%m-%dT%H:%M:%SZ')",
    "parquet": "window_start",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """The files written, and their rows by name."""

    folder: Path
    rows: dict[str, int]


def hand_over_path(folder: Path, file_format: str, window_start: datetime) -> Path:
    """Where the file of a window lies; the name sorts by time and suits every file system."""
    return folder / f"contact_upserts_{window_start:%Y-%m-%dT%H%MZ}.{file_format}"


def hand_over(
    warehouse: Warehouse, settings: HandOverSettings, home: Path, windows: Iterable[Window]
) -> HandedOver:
    """Write the files of these windows, and of others whose file is missing or outdated.

    Args:
        warehouse: where contact_upserts lives.
        settings: folder and format.
        home: what a relative folder counts from.
        windows: those that a run is for; they get a file even when it is empty.
    """
    folder = home / settings.folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    written: dict[str, int] = {}
    with warehouse.read() as connection:
        due = {window.start for window in windows} | _outdated(connection, folder, settings.format)
        for window_start in sorted(due):
            path = hand_over_path(folder, settings.format, window_start)
            written[path.name] = _write(connection, path, settings.format, window_start)
    return HandedOver(folder=folder, rows=written)


def _outdated(
    connection: duckdb.DuckDBPyConnection, folder: Path, file_format: str
) -> set[datetime]:
    """Windows with an upsert that is newer than their file.

    A window that is stitched again may give upserts that belong to a later one, and so may a
    drain of the outbox, which takes in the newest records by itself.
    """
    rows = connection.execute(
        "select window_start, max(derived_at) from contact_upserts group by window_start"
    ).fetchall()
    return {
        window_start
        for window_start, derived_at in rows
        if _modified_at(hand_over_path(folder, file_format, window_start)) < derived_at.timestamp()
    }


def _modified_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("-inf")


def _write(
    connection: duckdb.DuckDBPyConnection, path: Path, file_format: str, window_start: datetime
) -> int:
    building = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        rows_of_window = load_sql(
            __package__, "hand_over_rows.sql", window_start=_WINDOW_START[file_format]
        )
        connection.execute(
            " ".join(["copy (", rows_of_window, ") to $path", _FORMATS[file_format]]),
            {"window_start": window_start, "path": str(building)},
        )
        ((rows,),) = connection.execute(
            "select count(distinct identity_id) from contact_upserts where window_start = $start",
            {"start": window_start},
        ).fetchall()
        with building.open("rb") as file:
            os.fsync(file.fileno())
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)
    return int(rows)


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed runs left; the caller may be one of two, so only those of dead ones."""
    for leftover in folder.glob(".contact_upserts_*.tmp"):
        process_id = int(leftover.suffixes[-2].removeprefix("."))
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            leftover.unlink(missing_ok=True)
        except PermissionError:
            continue
