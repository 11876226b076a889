"""The process's DuckDB instance with lakes attached to it.

Loading the extensions takes a third of a second and attaching a tenth, so one instance serves all
connections of its process until one of them fails.
"""

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb

from emarsys_pipeline.warehouse.engine import CONFIG
from emarsys_pipeline.warehouse.lake import LakeError, LakeLocation
from emarsys_pipeline.warehouse.lake_extensions import load_extensions

# Attempts at a snapshot id that another process took first; DuckLake's default is 10.
RETRIES = 100

# DuckLake can keep small inserts in the catalogue rather than in files of their own. It must not:
# with DuckDB 1.5.5, min and max of a table then count rows that were inserted and deleted in one
# transaction.
INLINED_ROWS = 0

_lock = threading.Lock()


@dataclass(slots=True)
class _Instance:
    connection: duckdb.DuckDBPyConnection
    process_id: int
    attached: dict[tuple[LakeLocation, bool], str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)


_current: list[_Instance] = []


@contextmanager
def connected(
    location: LakeLocation, *, read_only: bool = False, create: bool = False
) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """A connection of its own, with its own transactions and temporary tables.

    Args:
        location: which lake.
        read_only: refuse whatever would change it.
        create: make the catalogue if there is none.

    Yields:
        The connection, and the name under which the lake is attached.

    Raises:
        LakeError: the lake cannot be attached.
    """
    with _lock:
        instance = _instance()
        name = instance.attached.get((location, read_only))
        if name is None:
            name = _attach(instance, location, read_only=read_only, create=create)
        connection = instance.connection.cursor()
    try:
        connection.execute("set TimeZone = 'UTC'")
        yield connection, name
    except duckdb.Error:
        # Its connections to PostgreSQL may be dead: the next one starts anew.
        with _lock:
            _current.clear()
        raise
    finally:
        connection.close()


def detach_all() -> None:
    """Let go of every lake and of its connections to PostgreSQL; the next use attaches anew."""
    with _lock:
        for instance in list(_current):
            if instance.process_id == os.getpid():
                try:
                    for name in instance.attached.values():
                        instance.connection.execute(f"detach {name}")
                except duckdb.Error:
                    # Somebody is still reading it: it goes with the instance.
                    _current.clear()
                instance.attached.clear()


def attach_options(location: LakeLocation, *more: str) -> str:
    """What stands in the parentheses of ``attach``."""
    written = {"data_path": location.data_path, "metadata_schema": location.catalogue_schema}
    return ", ".join([*(f"{name} {literal(value)}" for name, value in written.items()), *more])


def literal(text: str) -> str:
    """The text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _instance() -> _Instance:
    # A child of a fork may not use its parent's connections to PostgreSQL.
    if _current and _current[0].process_id == os.getpid():
        return _current[0]
    connection = duckdb.connect(":memory:", config=CONFIG)
    load_extensions(connection)
    connection.execute(f"set ducklake_max_retry_count = {RETRIES}")
    # Files of a lake are never changed.
    connection.execute("set parquet_metadata_cache = true")
    _current[:] = [_Instance(connection, os.getpid())]
    return _current[0]


def _attach(instance: _Instance, location: LakeLocation, *, read_only: bool, create: bool) -> str:
    name = f"lake_{next(instance.numbers)}"
    try:
        _sign_in(instance.connection, location, name)
        options = attach_options(
            location,
            f"create_if_not_exists {str(create).lower()}",
            f"data_inlining_row_limit {INLINED_ROWS}",
            *(["read_only"] if read_only else []),
        )
        address = literal(f"ducklake:postgres:{location.database}")
        instance.connection.execute(f"attach {address} as {name} ({options})")
    except duckdb.Error as error:
        # What was attached by half is looked up by other statements, and fails them.
        _current.clear()
        # DuckDB's own messages repeat the connection string with its password.
        raise LakeError(_remedy(error)) from None
    instance.attached[location, read_only] = name
    return name


def _remedy(error: duckdb.Error) -> str:
    if "explicitly disabled" in str(error):
        return "there is no lake yet: run emarsys-pipeline migrate once, for all machines"
    return (
        "the lake cannot be attached: see that PostgreSQL runs, that its connection string is "
        f"right, and that the data path is the one that the lake was made with "
        f"({type(error).__name__})"
    )


def _sign_in(connection: duckdb.DuckDBPyConnection, location: LakeLocation, name: str) -> None:
    store = location.object_store
    if store is None:
        return
    written = {
        "key_id": store.key_id,
        "secret": store.secret,
        "region": store.region,
        "endpoint": store.endpoint,
        "url_style": "path",
        "scope": location.data_path,
    }
    parts = ", ".join(f"{key} {literal(value)}" for key, value in written.items() if value)
    connection.execute(
        f"create secret {name} (type s3, {parts}, use_ssl {str(store.use_ssl).lower()})"
    )
