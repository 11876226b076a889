"""Warehouses for tests, on the engine that the test runs with: see the fixture ``engine``.

A lake of a test is a copy of a migrated one: a database for its catalogue, and a folder for its
files. Children of a test are told by the environment, and find the same lake by its folder.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from emarsys_pipeline import warehouse
from emarsys_pipeline.warehouse import LakeLocation
from emarsys_pipeline_tests.postgresql import start_postgresql
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs

LAKE_SERVER = "EMARSYS_PIPELINE_TESTS_LAKE_SERVER"
BOTH = ["file", pytest.param("lake", marks=needs(POSTGRESQL))]
TEMPLATE = "migrated"

# Whose rows the stages name by row id, or hold across statements.
TOLD_APART = (
    "current_contacts",
    "former_members",
    "identity_identifiers",
    "identity_members",
    "mapped_contacts",
    "platform_contacts",
    "quarantined_links",
)

# What is lost when the machine fails is of no use to anybody.
_HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "jit": "off"}
_databases: set[str] = set()

# A value of each type of the tables' columns; the rest are lists.
_SMALLEST = {
    **dict.fromkeys(("BIGINT", "DOUBLE", "INTEGER", "UBIGINT"), "0"),
    "BOOLEAN": "false",
    "TIMESTAMP WITH TIME ZONE": "'2000-01-01'",
    "VARCHAR": "''",
}


class Warehouse(warehouse.Warehouse):
    """The warehouse of a folder: a file in it, or a lake of its own with its files there."""

    def __init__(self, directory: Path, *, publish_interval_seconds: float = 30.0) -> None:
        self.directory = directory
        self.analytics_path = directory / "analytics.duckdb"
        server = os.environ.get(LAKE_SERVER)
        place = directory if server is None else _lake(server, directory)
        super().__init__(place, publish_interval_seconds=publish_interval_seconds)


def assert_row_ids_are_unique(tested: warehouse.Warehouse) -> None:
    """See that no transaction updated rows that it had inserted: their row ids may repeat.

    The lake gives them local ids for good, which begin at 10 ** 18 in every transaction.
    """
    counts = " union all ".join(
        f"select '{name}' as name, count(*) as local from {name} where rowid >= 10 ** 18"  # noqa: S608 - our tables
        for name in TOLD_APART
    )
    with tested.read() as connection:
        found = connection.execute(f"select name from ({counts}) where local > 0")  # noqa: S608 - our tables
        assert found.fetchall() == []


@contextmanager
def chosen_engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let the warehouses of tests and of their children be on the engine of this parameter."""
    if getattr(request, "param", "file") == "file":
        yield "file"
        return
    server = request.getfixturevalue("lake_server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(LAKE_SERVER, server)
        yield "lake"
    _drop_all(server)


@contextmanager
def running_lake_server() -> Iterator[str]:
    """A PostgreSQL server with the catalogue of a migrated lake to be copied.

    Yields:
        Its connection string without a database.
    """
    server = start_postgresql(further={**_HASTY, "max_connections": "300"})
    try:
        address = server.address(TEMPLATE).removesuffix(f" dbname={TEMPLATE}")
        _execute(address, "create database " + TEMPLATE)
        with tempfile.TemporaryDirectory() as folder:
            location = LakeLocation(server.address(TEMPLATE), f"{folder}/")
            lake = warehouse.Warehouse(location)
            lake.migrate()
            _let_tables_have_held_rows(lake)
            _detach_all()
            yield address
    finally:
        server.remove()


def _let_tables_have_held_rows(lake: warehouse.Warehouse) -> None:
    """Give each table statistics, without which DuckLake asks again for each column of a join."""
    with lake.write() as connection:
        tables = connection.execute(
            "select table_name from duckdb_tables() where database_name = current_database()"
        ).fetchall()
        empty = [name for (name,) in tables if not connection.table(name).fetchone()]
        for name in empty:
            columns = connection.table(name).types
            values = ", ".join(_SMALLEST.get(str(type_), "[]") for type_ in columns)
            connection.execute(f"insert into {name} values ({values})")  # noqa: S608 - our tables
    with lake.write() as connection:
        for name in empty:
            connection.execute(f"delete from {name}")  # noqa: S608 - our tables


def _lake(server: str, directory: Path) -> LakeLocation:
    name = "lake_" + hashlib.md5(str(directory).encode(), usedforsecurity=False).hexdigest()
    location = LakeLocation(f"{server} dbname={name}", f"{directory}/lake/")
    if name not in _databases:
        _databases.add(name)
        _copy_template(server, name, location)
    return location


def _copy_template(server: str, name: str, location: LakeLocation) -> None:
    import psycopg  # only here: tests without PostgreSQL run without its client

    Path(location.data_path).mkdir(parents=True, exist_ok=True)
    # Another process of the test may have made it.
    with suppress(psycopg.errors.DuplicateDatabase):
        _execute(server, f"create database {name} template {TEMPLATE}")
        with psycopg.connect(location.database, autocommit=True) as session:
            metadata = f"{location.catalogue_schema}.ducklake_metadata where key = 'data_path'"
            row = session.execute(f"select value from {metadata}".encode()).fetchone()  # noqa: S608
            assert row is not None
            shutil.copytree(str(row[0]), location.data_path, dirs_exist_ok=True)
            change = "update " + metadata.replace(" where", " set value = %s where")  # noqa: S608
            session.execute(change.encode(), (location.data_path,))


def _drop_all(server: str) -> None:
    _detach_all()
    for name in _databases:
        _execute(server, f"drop database if exists {name} with (force)")
    _databases.clear()


def _detach_all() -> None:
    from emarsys_pipeline.warehouse.lake_instance import detach_all  # only here: an extra

    detach_all()


def _execute(server: str, statement: str) -> None:
    import psycopg  # only here: tests without PostgreSQL run without its client

    with psycopg.connect(f"{server} dbname=postgres", autocommit=True) as session:
        session.execute(statement.encode())
