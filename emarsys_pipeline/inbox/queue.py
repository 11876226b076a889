"""The queue itself, which outlives any process: a SQLite file, or tables in PostgreSQL.

One row per message, in the order they became durable; a second delivery of a message adds no row.
:meth:`Inbox.put` returns after the data has reached the disk.
"""

import weakref
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from emarsys_pipeline.inbox.keeping import (
    EPOCH,
    MICROSECOND,
    Delivery,
    PutResult,
    Rejected,
    keep,
    microseconds,
)
from emarsys_pipeline.inbox.messages import Kind, Message
from emarsys_pipeline.inbox.stores import open_store

if TYPE_CHECKING:
    from emarsys_pipeline.postgresql import Database

TIME = pa.timestamp("us", tz="UTC")

_COMMON: dict[str, pa.DataType] = {
    "sequence": pa.int64(),
    "message_id": pa.string(),
    "received_at": TIME,
    "source": pa.string(),
    "evidence_hash": pa.string(),
}
_TYPED: dict[Kind, dict[str, pa.DataType]] = {
    "consent": {
        "event_id": pa.string(),
        "platform_contact_id": pa.string(),
        "phone": pa.string(),
        "email": pa.string(),
        "channel": pa.string(),
        "status": pa.string(),
        "occurred_at": TIME,
    },
    "contact": {
        "platform_contact_id": pa.string(),
        "first_name": pa.string(),
        "last_name": pa.string(),
        "phone": pa.string(),
        "email": pa.string(),
        "updated_at": TIME,
        "is_deleted": pa.bool_(),
    },
    "automation": {"account": pa.string(), "body": pa.string(), "deduplication_id": pa.string()},
}


class Inbox:
    """The queue at ``place``. Thread-safe.

    Args:
        place: a file of SQLite, made with its folder when first used; or a database in which
            :func:`deploy_store` has made the tables.
    """

    def __init__(self, place: "Path | Database") -> None:
        self.place = place
        self._store = open_store(place)
        self._close = weakref.finalize(self, self._store.close)

    def __enter__(self) -> "Inbox":
        """The inbox itself, closed at the end of the block."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close file or connection."""
        self.close()

    def close(self) -> None:
        """Close file or connection."""
        self._close()

    def put(
        self, messages: Sequence[Message], *, source: str, received_at: datetime | None = None
    ) -> PutResult:
        """Keep these messages, all or none; they are durable when this returns.

        ``received_at`` is now unless given, and never less than that of the message before.
        """
        return self.put_deliveries([Delivery(messages, source)], received_at=received_at)[0]

    def put_deliveries(
        self, deliveries: Sequence[Delivery], *, received_at: datetime | None = None
    ) -> list[PutResult]:
        """Keep several deliveries in one transaction, so that they share one wait for the disk."""
        with self._store.transaction() as connection:
            # Stamped while nobody else writes, so that times are in the order of sequences.
            stamp = microseconds(received_at or datetime.now(UTC))
            for (newest,) in connection.execute(
                "select received_at from messages order by sequence desc limit 1"
            ).fetchall():
                stamp = max(stamp, newest)
            return keep(connection, deliveries, stamp)

    def poison(self, body: bytes, *, reason: str, source: str) -> None:
        """Keep a body that could not be read; the same one again only counts."""
        self.put_deliveries([Delivery((), source, (Rejected(body, reason),))])

    def forget(self, sequences: Sequence[int]) -> None:
        """Delete these messages; their sequences are not used again."""
        with self._store.transaction() as connection:
            for sequence in sequences:
                connection.execute("delete from messages where sequence = ?", (sequence,))

    def redact(self, texts: Sequence[str], redacted: Callable[[str], str]) -> tuple[int, int]:
        """Replace texts in the bodies that hold them, and delete unreadable bodies that do.

        Args:
            texts: what to look for, in lower case.
            redacted: the body without them.

        Returns:
            How many messages were changed, and how many unreadable bodies deleted.
        """
        if not texts:
            return 0, 0
        in_any = {
            table: " or ".join([condition] * len(texts))
            for table, condition in self._store.holds_text.items()
        }
        with self._store.transaction() as connection:
            found = connection.execute(
                f"select sequence, body from messages where {in_any['messages']}",  # noqa: S608
                texts,
            ).fetchall()
            for sequence, body in found:
                connection.execute(
                    "update messages set body = ? where sequence = ?", (redacted(body), sequence)
                )
            deleted = connection.execute(
                f"delete from poison where {in_any['poison']}",  # noqa: S608 - constants
                texts,
            ).rowcount
        return len(found), deleted

    def delete_old_poison(self, before: datetime) -> int:
        """Delete unreadable bodies that last came before a moment; how many there were."""
        with self._store.transaction() as connection:
            return connection.execute(
                "delete from poison where last_received_at < ?", (microseconds(before),)
            ).rowcount

    def rows_holding(self, texts: Sequence[str], ids: Sequence[str] = ()) -> dict[str, int]:
        """By table: the rows that hold a text anywhere, or an id as a whole value.

        Empty for an inbox in a file, which is searched as a file.

        Args:
            texts: in lower case.
            ids: as they are.
        """
        return self._store.rows_holding(texts, ids)

    def compact(self) -> None:
        """Write everything anew, so that no byte is left of what was deleted.

        Raises:
            TimeoutError: somebody reads the inbox without end.
        """
        self._store.compact()

    def last_sequence(self, kinds: Sequence[str] = ("consent", "contact")) -> int:
        """The largest sequence among messages of these kinds; 0 if there are none."""
        marks = ", ".join("?" * len(kinds))
        # An expression keeps SQLite from sorting all rows of a kind by its index: the newest is
        # found from the end.
        rows = self._store.query(
            "select sequence from messages "  # noqa: S608 - only question marks
            f"where kind || '' in ({marks}) order by sequence desc limit 1",
            tuple(kinds),
        )
        return int(rows[0][0]) if rows else 0

    def oldest_received_after(
        self, sequence: int, kinds: Sequence[str] = ("consent", "contact")
    ) -> datetime | None:
        """The earliest ``received_at`` among messages with a larger sequence; None if none has."""
        marks = ", ".join("?" * len(kinds))
        rows = self._store.query(
            "select received_at from messages "  # noqa: S608 - only question marks
            f"where sequence > ? and kind || '' in ({marks}) order by sequence limit 1",
            (sequence, *kinds),
        )
        return EPOCH + rows[0][0] * MICROSECOND if rows else None

    def fetch(
        self,
        kind: Kind,
        *,
        after_sequence: int = 0,
        received_from: datetime | None = None,
        received_to: datetime | None = None,
    ) -> pa.Table:
        """Messages of one kind by sequence: ``received_from <= received_at < received_to``."""
        types = {**_COMMON, **_TYPED[kind]}
        # A contact without a time of change is as new as its message.
        written = {"updated_at": "coalesce(updated_at, received_at)"}
        columns = ", ".join(written.get(name, name) for name in types)
        rows = self._store.query(
            f"select {columns} from messages "  # noqa: S608 - constants above
            "where kind = ? and sequence > ? and received_at >= ? and received_at < ? "
            "order by sequence",
            (
                kind,
                after_sequence,
                microseconds(received_from) if received_from else 0,
                microseconds(received_to) if received_to else 2**63 - 1,
            ),
        )
        return _table(rows, types)

    def fetch_poison(self) -> pa.Table:
        """Everything that could not be read: sequence, source, reason, body and how often."""
        types = {
            "sequence": pa.int64(),
            "source": pa.string(),
            "reason": pa.string(),
            "body": pa.binary(),
            "received_at": TIME,
            "last_received_at": TIME,
            "occurrences": pa.int64(),
        }
        rows = self._store.query(
            f"select {', '.join(types)} from poison order by sequence"  # noqa: S608 - constants
        )
        return _table(rows, types)

    @property
    def counts(self) -> dict[str, int]:
        """How many messages of each kind are kept, and how many bodies as ``poison``."""
        found = {
            **dict(self._store.query("select kind, count(*) from messages group by kind")),
            **dict(self._store.query("select 'poison', count(*) from poison")),
        }
        return {kind: found.get(kind, 0) for kind in (*_TYPED, "poison")}


def _table(rows: Sequence[tuple[Any, ...]], types: dict[str, pa.DataType]) -> pa.Table:
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(types)
    arrays = [_array(column, kind) for column, kind in zip(columns, types.values(), strict=True)]
    return pa.table(arrays, schema=pa.schema(list(types.items())))


def _array(values: Sequence[Any], data_type: pa.DataType) -> pa.Array:
    if data_type == pa.bool_():
        return pa.array([None if value is None else bool(value) for value in values], data_type)
    if data_type == TIME:
        return pa.array(values, pa.int64()).cast(data_type)
    return pa.array(values, data_type)
