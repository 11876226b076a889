"""The slots of a rate limit in PostgreSQL, shared by several machines."""

from collections.abc import Callable
from typing import TypeVar

from emarsys_pipeline.emarsys.rate_limit_stores import SCHEMA, Statements
from emarsys_pipeline.postgresql import Database, DatabaseLostError, Session, deploy, lock_key

T = TypeVar("T")

# A run waits rather than fails while the database is restarted.
PATIENCE_SECONDS = 30.0

_SETTINGS = {
    # Losing the last second of slots in a power cut is harmless.
    "synchronous_commit": "off",
    "idle_in_transaction_session_timeout": "30s",
}
_TYPES = {
    "integer primary key autoincrement": "bigint generated always as identity primary key",
    " real": " double precision",
}


class SlotDatabase:
    """The tables in a schema that :func:`deploy_slot_tables` has made.

    Transactions of one credential queue for its lock in the order in which they come, from
    whatever machine; those of others pass.
    """

    def __init__(self, database: Database) -> None:
        self._schema = database.schema
        self._session = Session(database, settings=_SETTINGS, patience_seconds=PATIENCE_SECONDS)

    def run(self, credential: str, work: Callable[[Statements], T]) -> T:
        """Do this in a transaction that no other of the same credential overlaps."""
        try:
            return self._run(credential, work)
        except DatabaseLostError:
            return self._run(credential, work)

    def _run(self, credential: str, work: Callable[[Statements], T]) -> T:
        key = lock_key(self._schema, "rate limit", credential)
        with self._session.transaction(f"select pg_advisory_xact_lock({key})") as connection:
            return work(connection)

    def now(self, connection: Statements) -> float:
        """The database's clock, since those of the machines differ."""
        (row,) = connection.execute(
            "select extract(epoch from clock_timestamp())::double precision"
        ).fetchall()
        return float(row[0])

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def deploy_slot_tables(database: Database) -> None:
    """Make the schema and its tables, once for all machines; again, it does nothing."""
    text = SCHEMA
    for sqlite_type, own_type in _TYPES.items():
        text = text.replace(sqlite_type, own_type)
    statements = [statement for statement in text.split(";\n") if statement.strip()]
    deploy(database, "Requests that emarsys_pipeline has sent in the last minute", statements)
