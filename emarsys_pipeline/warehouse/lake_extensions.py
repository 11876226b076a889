"""DuckDB's extensions for the lake, loaded from the Python packages that bring them.

Nothing is downloaded or copied: the packages hold DuckDB's own signed builds for exactly one
version of DuckDB, and are loaded by path.
"""

from importlib.util import find_spec
from pathlib import Path

import duckdb

from emarsys_pipeline.warehouse.lake import LakeError

EXTENSIONS = ("ducklake", "postgres_scanner", "httpfs")


def extension_file(name: str) -> Path:
    """The file of an extension for the DuckDB that runs.

    Raises:
        LakeError: the package is missing, or was made for another version of DuckDB.
    """
    package = find_spec(f"duckdb_extension_{name}")
    if package is None or not package.submodule_search_locations:
        raise LakeError(
            f"the DuckDB extension {name} is not installed: "
            "install emarsys_pipeline with its extra, emarsys_pipeline[scale]"
        )
    folder = Path(next(iter(package.submodule_search_locations))) / "extensions"
    found = folder / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not found.exists():
        made_for = ", ".join(sorted(path.name for path in folder.glob("v*")))
        raise LakeError(
            f"the installed DuckDB extension {name} is for DuckDB {made_for}, and this is "
            f"{duckdb.__version__}: install both in the versions of constraints.txt"
        )
    return found


def load_extensions(connection: duckdb.DuckDBPyConnection) -> None:
    """Load what a lake needs into this connection's instance."""
    for name in EXTENSIONS:
        path = str(extension_file(name)).replace("'", "''")
        connection.execute(f"load '{path}'")
