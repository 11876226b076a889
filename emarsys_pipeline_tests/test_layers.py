"""Imports point one way, and each outside library is used in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import emarsys_pipeline

ROOT = Path(emarsys_pipeline.__file__).parent
PACKAGE = "emarsys_pipeline"
EVERYTHING = {PACKAGE}

# Which parts of the package the files of a folder may import, beside their own.
MAY_IMPORT: dict[str, set[str]] = {
    "clock": set(),
    "windows": set(),
    "remote_errors": set(),
    "emarsys": {"postgresql", "remote_errors"},
    "messaging": {"remote_errors"},
    "sandbox": set(),
    "settings": {"windows"},
    "postgresql": set(),
    "inbox": {"postgresql", "windows"},
    "warehouse": {"postgresql", "windows"},
    "runbook": set(),
    "alerts": {"settings"},
    "connect": {"emarsys", "postgresql", "settings"},
    "storage": {"emarsys", "inbox", "postgresql", "settings", "warehouse"},
    "stages": {"clock", "emarsys", "inbox", "messaging", "settings", "warehouse", "windows"},
    "doctor": {"connect", "emarsys", "postgresql", "settings", "stages"},
    "privacy": {"clock", "inbox", "settings", "stages", "storage", "warehouse", "windows"},
    "explain": {"settings", "stages", "warehouse", "windows"},
    "defs": {
        *(
            "alerts",
            "clock",
            "connect",
            "doctor",
            "runbook",
            "emarsys",
            "inbox",
            "messaging",
            "privacy",
            "settings",
            "stages",
            "storage",
            "warehouse",
        ),
        "windows",
    },
    "definitions": {"defs", "settings"},
    "cli": EVERYTHING,
    "__main__": {"cli"},
}
# Where each library may be imported: folders, or single files.
USED_BY: dict[str, set[str]] = {
    "requests": {"alerts", "emarsys", "messaging", "sandbox", "inbox", "cli"},
    "duckdb": {"warehouse", "privacy", "sandbox", "stages", "defs", "explain", "cli"},
    "sqlite3": {"alerts", "inbox", "privacy", "emarsys/rate_limit_stores.py"},
    "psycopg": {"postgresql.py", "warehouse"},
    "dagster": {"defs", "definitions.py", "cli"},
    "scipy": {"stages/stitched_identities/components.py"},
    "pandas": {"cli"},
}
# Everybody else opens the database through the warehouse. The import compares member lists in a
# database in memory; the columns of views are looked up in one; files are read with DuckDB's
# readers before they enter the inbox.
MAY_CONNECT = {
    "warehouse/file_engine.py",
    "warehouse/lake_instance.py",
    "warehouse/publish.py",
    "warehouse/analysts_views.py",
    "warehouse/rewrite.py",
    "stages/raw_segment_exports/scratch.py",
}
READS_ENVIRONMENT = {"settings"}

FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def tree_of(file: str) -> ast.AST:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def imports_of(file: str) -> Iterator[str]:
    """The full names of the modules that a file imports, anywhere in it."""
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def attributes_of(file: str) -> set[str]:
    """What a file takes from modules, written as ``module.name``."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    } | set(imports_of(file))


def part_of(file: str) -> str:
    return file.split("/")[0].removesuffix(".py")


def is_within(file: str, places: set[str]) -> bool:
    return file in places or part_of(file) in places


@pytest.mark.parametrize("file", [file for file in FILES if file != "__init__.py"])
def test_imports_point_one_way(file: str) -> None:
    part = part_of(file)
    assert part in MAY_IMPORT, f"say in this test what {part} may import"
    if MAY_IMPORT[part] is EVERYTHING:
        return
    imported = {name.split(".")[1] for name in imports_of(file) if name.startswith(f"{PACKAGE}.")}
    assert imported - MAY_IMPORT[part] - {part} == set()


@pytest.mark.parametrize("library", USED_BY)
def test_a_library_is_imported_where_it_belongs(library: str) -> None:
    users = {file for file in FILES if library in {name.split(".")[0] for name in imports_of(file)}}
    assert {file for file in users if not is_within(file, USED_BY[library])} == set()


def test_only_settings_read_the_environment() -> None:
    names = {"os.environ", "os.environb", "os.getenv", "os.putenv"}
    readers = {file for file in FILES if attributes_of(file) & names}
    assert {file for file in readers if not is_within(file, READS_ENVIRONMENT)} == set()


def test_only_the_warehouse_opens_database_files() -> None:
    connecting = {file for file in FILES if "duckdb.connect" in attributes_of(file)}
    assert {file for file in connecting if part_of(file) != "sandbox"} == MAY_CONNECT


def test_no_file_is_named_after_nothing() -> None:
    names = {Path(file).name for file in FILES}
    assert names & {"utils.py", "helpers.py", "common.py"} == set()
