"""The account's state: one DuckDB file, one writer at a time, any number of readers."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from emarsys_pipeline.sandbox.catalogue import Catalogue, create_catalogue, load_catalogue
from emarsys_pipeline.sandbox.faults import FaultRules
from emarsys_pipeline.sandbox.rate import RateLimits
from emarsys_pipeline.sandbox.switches import SWITCHES

SERVER_ZONE = ZoneInfo("Europe/Vienna")
MAX_LOGGED_REQUESTS = 10_000


def read_sql(name: str) -> str:
    """Return the text of an SQL file of this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def utc_now() -> datetime:
    """Return the time now in UTC without a zone, as the tables keep it."""
    return datetime.now(UTC).replace(tzinfo=None)


def vienna_text(moment: datetime) -> str:
    """Write a stored time as Emarsys shows it: Vienna local time without an offset."""
    return moment.replace(tzinfo=UTC).astimezone(SERVER_ZONE).strftime("%Y-%m-%d %H:%M:%S")


@dataclass(slots=True)
class LoggedRequest:
    """One request as received, without its body."""

    sequence: int
    received_at: str
    method: str
    path: str
    credential: str
    http_status: int = 0
    fault: str | None = None


@dataclass(slots=True)
class Evaluations:
    """How often a slow segment was asked for since its result was last thrown away."""

    asked: dict[int, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, segment_id: int) -> int:
        """Count one more question and return how many there were before it."""
        with self.lock:
            before = self.asked.get(segment_id, 0)
            self.asked[segment_id] = before + 1
            return before


class State:
    """Access to the account's tables, and the few things that live only while the server runs.

    Attributes:
        path: the DuckDB file.
        files: folder of the finished export files, beside the database.
        faults: the fault rules in force.
        rates: request counts per credential.
    """

    def __init__(self, path: Path, *, base_url: str = "") -> None:
        self.path = path
        self.files = path.parent / f"{path.name}.exports"
        self.files.mkdir(parents=True, exist_ok=True)
        self.base_url = base_url
        self.faults = FaultRules()
        self.rates = RateLimits()
        self.evaluations = Evaluations()
        self.requests: deque[LoggedRequest] = deque(maxlen=MAX_LOGGED_REQUESTS)
        self.used_nonces: set[str] = set()
        self.started_at = time.time()
        self._write_lock = threading.RLock()
        self._sequence_lock = threading.Lock()
        self._connection = duckdb.connect(str(path))
        self._connection.execute("set memory_limit = '1GB'")
        if not self._has_tables():
            self._connection.execute(read_sql("schema.sql"))
            create_catalogue(self._connection)
        self._connection.execute(read_sql("platform_upserts.sql"))
        self.catalogue: Catalogue = load_catalogue(self._connection)
        self._switches = {**SWITCHES, **self._stored_settings()}
        self._last_request = self._highest("field_writes", "request")

    def _has_tables(self) -> bool:
        row = self._connection.execute(
            "select count(*) from duckdb_tables() where table_name = 'contacts'"
        ).fetchone()
        return row is not None and row[0] > 0

    def _stored_settings(self) -> dict[str, Any]:
        rows = self._connection.execute("select name, value from settings").fetchall()
        return {name: json.loads(value) for name, value in rows}

    def _highest(self, table: str, column: str) -> int:
        row = self._connection.execute(
            f"select coalesce(max({column}), 0) from {table}"  # noqa: S608 - names of ours
        ).fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Write everything to the file and let go of it."""
        self._connection.close()

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection for reading."""
        cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give the only writing connection, inside a transaction."""
        with self._write_lock, self.read() as cursor:
            cursor.execute("begin")
            try:
                yield cursor
            except BaseException:
                cursor.execute("rollback")
                raise
            cursor.execute("commit")

    def rows(self, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with self.read() as connection:
            return connection.execute(query, parameters).fetchall()

    def scalar(self, query: str, parameters: Any = None) -> Any:
        """Return the first column of the first row, or None when there is no row."""
        found = self.rows(query, parameters)
        return found[0][0] if found else None

    def setting(self, name: str) -> Any:
        """Return a switch or another stored setting; None when it was never set."""
        return self._switches.get(name)

    def save_settings(self, values: dict[str, Any]) -> None:
        """Store settings so that a restart keeps them."""
        with self.write() as connection:
            for name, value in values.items():
                connection.execute("delete from settings where name = ?", [name])
                connection.execute("insert into settings values (?, ?)", [name, json.dumps(value)])
        self._switches.update(values)

    def next_request(self, method: str, path: str, credential: str) -> LoggedRequest:
        """Log a request under the next sequence number."""
        with self._sequence_lock:
            self._last_request += 1
            logged = LoggedRequest(
                self._last_request, datetime.now(UTC).isoformat(), method, path, credential
            )
            self.requests.append(logged)
            return logged

    def reload_catalogue(self) -> None:
        """Read fields and choices again after one was added or removed."""
        with self.read() as connection:
            self.catalogue = load_catalogue(connection)


def next_id(connection: duckdb.DuckDBPyConnection, table: str, column: str, first: int) -> int:
    """Return the id after the highest one of a table, at least ``first``."""
    row = connection.execute(
        f"select greatest(coalesce(max({column}), 0) + 1, {first}) from {table}"  # noqa: S608
    ).fetchone()
    return int(row[0]) if row else first


def append_field_writes(
    connection: duckdb.DuckDBPyConnection,
    writes: Sequence[tuple[int, int, str | None]],
    *,
    request: int,
    source: str,
) -> None:
    """Record values written to contacts: (contact id, field id, value) in the order applied."""
    if not writes:
        return
    first = next_id(connection, "field_writes", "sequence", 1)
    connection.execute(
        "insert into field_writes select $first + unnest(range(len($contacts))), $moment, $request,"
        " $source, unnest($contacts), unnest($fields), unnest($values::varchar[])",
        {
            "first": first,
            "moment": utc_now(),
            "request": request,
            "source": source,
            "contacts": [contact for contact, _, _ in writes],
            "fields": [field_id for _, field_id, _ in writes],
            "values": [value for _, _, value in writes],
        },
    )
