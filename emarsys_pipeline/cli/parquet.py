"""Writes a published view as a folder of Parquet files, and puts it in place in one step."""

import ctypes
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from emarsys_pipeline.warehouse import quote

# Marks a folder as ours, so that nothing else is ever replaced.
MARKER = "_emarsys_pipeline_export"
# Of Linux's renameat2: swap two names.
AT_CWD, RENAME_EXCHANGE = -100, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What one view became."""

    view: str
    folder: str
    rows: int
    files: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def published_views(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The columns of each view for analysts."""
    rows = connection.execute(
        "select table_name, list(column_name order by column_index) from duckdb_columns()"
        " where not internal"
        " and database_name = current_database() and schema_name = current_schema()"
        " group by table_name"
    ).fetchall()
    return dict(rows)


def export_view(
    connection: duckdb.DuckDBPyConnection, view: str, folder: Path, partition_by: Sequence[str]
) -> Exported:
    """Write ``view`` into ``folder``, which is replaced as a whole.

    Raises:
        FileExistsError: the folder is there and was not written by this function.
    """
    if folder.exists() and not (folder / MARKER).exists():
        raise FileExistsError(f"{folder} exists and is no export; name another folder with --to")
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    try:
        rows = _copy(connection, view, building, partition_by)
        (building / MARKER).touch()
        files = sum(1 for _ in building.rglob("*.parquet"))
        _put_in_place(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Exported(view=view, folder=str(folder), rows=rows, files=files)


def _copy(
    connection: duckdb.DuckDBPyConnection, view: str, target: Path, partition_by: Sequence[str]
) -> int:
    if partition_by:
        columns = ", ".join(map(quote, partition_by))
        options = f"format parquet, partition_by ({columns}), overwrite_or_ignore"
        path = target
    else:
        options, path = "format parquet", target / f"{view}.parquet"
    literal = "'" + str(path).replace("'", "''") + "'"
    statement = " ".join(["copy (from", quote(view), ") to", literal, f"({options})"])
    ((rows,),) = connection.execute(statement).fetchall()
    return int(rows)


def _put_in_place(building: Path, folder: Path) -> None:
    """Give the new folder its name; the old one has the temporary name afterwards."""
    if not folder.exists():
        building.rename(folder)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    new, old = os.fsencode(building), os.fsencode(folder)
    if libc.renameat2(AT_CWD, new, AT_CWD, old, RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))
