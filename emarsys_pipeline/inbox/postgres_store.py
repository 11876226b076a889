"""The inbox in a PostgreSQL database: for several machines."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from emarsys_pipeline.inbox.sqlite_store import schema_statements
from emarsys_pipeline.postgresql import Database, Session, Statements, deploy

# How long a request waits for a database that is being restarted before it is told to come again.
PATIENCE_SECONDS = 3.0

_SETTINGS = {
    # A commit is on the disk when it returns, whatever the server's default.
    "synchronous_commit": "on",
    "lock_timeout": "30s",
    # A writer that stands still in the middle must not hold up the others for ever.
    "idle_in_transaction_session_timeout": "30s",
}
# One writer after the other, so that messages become visible in the order of their sequences: who
# reads after a sequence would miss one that was taken earlier and committed later. Readers go on.
_ALONE = "lock table messages in exclusive mode"

# What the tables are made of, in SQLite's words and in PostgreSQL's.
_TYPES = {
    "integer primary key autoincrement": "bigint generated always as identity primary key",
    " integer": " bigint",
    " blob": " bytea",
}

# Columns of messages that hold somebody's id.
_IDS = ("message_id", "subject", "event_id", "platform_contact_id", "deduplication_id")


class PostgresStore:
    """The tables in a schema that :func:`deploy_inbox` has made. Survives the server's restarts."""

    holds_text: dict[str, str] = {  # noqa: RUF012 - constant
        "messages": "strpos(lower(body), ?) > 0",
        # Such a body need not be text: both sides are compared with their bytes written out.
        "poison": (
            "strpos(lower(encode(body, 'escape')),"
            " lower(encode(convert_to(?, 'UTF8'), 'escape'))) > 0"
        ),
    }

    def __init__(self, database: Database) -> None:
        self._session = Session(database, settings=_SETTINGS, patience_seconds=PATIENCE_SECONDS)

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement."""
        return self._session.query(statement, parameters)

    def transaction(self) -> AbstractContextManager[Statements]:
        """A transaction that is alone in writing from its beginning."""
        return self._session.transaction(_ALONE)

    def rows_holding(self, texts: Sequence[str], ids: Sequence[str]) -> dict[str, int]:
        """By table: the rows that hold a text anywhere, or an id as a whole value."""
        searched = {
            "messages": (
                ["strpos(lower(cells::text), ?) > 0"] * len(texts)
                + [f"? in ({', '.join(_IDS)})"] * len(ids),
                (*texts, *ids),
            ),
            "poison": ([self.holds_text["poison"]] * len(texts), tuple(texts)),
        }
        found = {}
        for table, (conditions, values) in searched.items():
            if conditions:
                ((rows,),) = self._session.query(
                    f"select count(*) from {table} as cells where {' or '.join(conditions)}",  # noqa: S608 - constants
                    values,
                )
                found[table] = rows
        return {table: rows for table, rows in found.items() if rows}

    def compact(self) -> None:
        """Write the tables anew. The server's own log keeps old bytes until it is overwritten."""
        self._session.query("vacuum (full) messages, poison")

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def deploy_inbox(database: Database) -> None:
    """Make the schema and its tables, once for all machines; again, it does nothing."""
    statements = []
    for statement in schema_statements():
        for sqlite_type, own_type in _TYPES.items():
            statement = statement.replace(sqlite_type, own_type)
        statements.append(statement)
    deploy(database, "Messages that emarsys_pipeline has received", statements)
