"""The queue itself: one SQLite file that outlives any process.

Reads and writes only that file. One row per message, in the order they became durable; a second
delivery of a message adds no row. :meth:`Inbox.put` returns after the data has reached the disk
(write-ahead log, ``synchronous=FULL``).
"""

import hashlib
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa

from emarsys_pipeline.inbox.messages import Kind, Message, content_hash

BUSY_TIMEOUT_SECONDS = 30

# Emarsys repeats an unanswered call for up to about 1.5 hours (11 attempts, 10 minutes apart at
# most). Equal messages without id and time are one message within this span.
RETRY_HORIZON = timedelta(hours=6)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
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
_WRITTEN = (
    "event_id", "platform_contact_id", "first_name", "last_name", "phone", "email", "channel",
    "status", "occurred_at", "updated_at", "is_deleted", "account", "deduplication_id",
)  # fmt: skip

_COLUMNS = (
    "kind", "message_id", "subject", "received_at", "source", "evidence_hash", "body", *_WRITTEN
)  # fmt: skip
_INSERT = (
    f"insert or ignore into messages ({', '.join(_COLUMNS)}) "  # noqa: S608 - constants above
    f"values ({', '.join('?' * len(_COLUMNS))})"
)
_INSERT_POISON = """
    insert into poison
        (source, body_hash, body, reason, received_at, last_received_at, occurrences)
    values (?, ?, ?, ?, ?, ?, 1)
    on conflict (source, body_hash, reason) do update
    set occurrences = occurrences + 1, last_received_at = excluded.last_received_at
"""


@dataclass(frozen=True, slots=True)
class PutResult:
    """What became of the messages of one delivery.

    ``conflicts`` are duplicates whose id was used before for other content: the first message
    stands, the other is kept in the poison table.
    """

    accepted: int
    duplicates: int
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """A body that could not be read, and why."""

    body: bytes = field(repr=False)
    reason: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one request or one batch of a file brought."""

    messages: Sequence[Message] = field(repr=False)
    source: str
    rejected: Sequence[Rejected] = ()


class Inbox:
    """The queue at ``path``; the file and its folder are made when first used. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._close = weakref.finalize(self, self._connection.close)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")
        # What is deleted held personal data; without this its bytes would stay in the file.
        self._connection.execute("pragma secure_delete = on")
        with self._transaction() as connection:
            if connection.execute("pragma user_version").fetchone() == (0,):
                schema = resources.files(__package__).joinpath("schema.sql")
                for statement in schema.read_text(encoding="utf-8").split(";\n"):
                    connection.execute(statement)

    def __enter__(self) -> "Inbox":
        """The inbox itself, closed at the end of the block."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; further calls fail."""
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
        with self._transaction() as connection:
            # Stamped under the write lock, so that the order of times is the order of sequences.
            stamp = _microseconds(received_at or datetime.now(UTC))
            newest = connection.execute(
                "select received_at from messages order by sequence desc limit 1"
            ).fetchone()
            stamp = max(stamp, newest[0]) if newest else stamp
            return [_keep(connection, delivery, stamp) for delivery in deliveries]

    def poison(self, body: bytes, *, reason: str, source: str) -> None:
        """Keep a body that could not be read; the same one again only counts."""
        self.put_deliveries([Delivery((), source, (Rejected(body, reason),))])

    def forget(self, sequences: Sequence[int]) -> None:
        """Delete these messages and overwrite their bytes; their sequences are not used again."""
        with self._transaction() as connection:
            connection.executemany(
                "delete from messages where sequence = ?", [(sequence,) for sequence in sequences]
            )

    def last_sequence(self, kinds: Sequence[str] = ("consent", "contact")) -> int:
        """The largest sequence among messages of these kinds; 0 if there are none."""
        marks = ", ".join("?" * len(kinds))
        # The plus keeps SQLite from sorting all rows of a kind: the newest is found from the end.
        with self._reading() as connection:
            row = connection.execute(
                "select sequence from messages "  # noqa: S608 - only question marks
                f"where +kind in ({marks}) order by sequence desc limit 1",
                tuple(kinds),
            ).fetchone()
        return int(row[0]) if row else 0

    def oldest_received_after(
        self, sequence: int, kinds: Sequence[str] = ("consent", "contact")
    ) -> datetime | None:
        """The earliest ``received_at`` among messages with a larger sequence; None if none has."""
        marks = ", ".join("?" * len(kinds))
        with self._reading() as connection:
            row = connection.execute(
                "select received_at from messages "  # noqa: S608 - only question marks
                f"where sequence > ? and +kind in ({marks}) order by sequence limit 1",
                (sequence, *kinds),
            ).fetchone()
        return None if row is None else EPOCH + row[0] * MICROSECOND

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
        with self._reading() as connection:
            rows = connection.execute(
                f"select {columns} from messages "  # noqa: S608 - constants above
                "where kind = ? and sequence > ? and received_at >= ? and received_at < ? "
                "order by sequence",
                (
                    kind,
                    after_sequence,
                    _microseconds(received_from) if received_from else 0,
                    _microseconds(received_to) if received_to else 2**63 - 1,
                ),
            ).fetchall()
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
        with self._reading() as connection:
            rows = connection.execute(
                f"select {', '.join(types)} from poison order by sequence"  # noqa: S608 - constants
            ).fetchall()
        return _table(rows, types)

    @property
    def counts(self) -> dict[str, int]:
        """How many messages of each kind are kept, and how many bodies as ``poison``."""
        with self._reading() as connection:
            found: dict[str, int] = dict(
                connection.execute("select kind, count(*) from messages group by kind").fetchall()
            )
            (poison,) = connection.execute("select count(*) from poison").fetchone()
        return {**dict.fromkeys(_TYPED, 0), **found, "poison": poison}

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                self._connection.execute("commit")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise


def _keep(connection: sqlite3.Connection, delivery: Delivery, stamp: int) -> PutResult:
    accepted = duplicates = conflicts = 0
    rejected = list(delivery.rejected)
    for message in delivery.messages:
        evidence_hash = content_hash(message.body)
        message_id = message.message_id or _id_after_previous(
            connection, message, evidence_hash, stamp
        )
        if message_id is None:
            duplicates += 1
            continue
        values = (message.kind, message_id, message.subject, stamp, delivery.source, evidence_hash)
        cursor = connection.execute(_INSERT, (*values, message.body, *_typed_values(message)))
        if cursor.rowcount == 1:
            accepted += 1
        elif _evidence(connection, message.kind, message_id) == evidence_hash:
            duplicates += 1
        else:
            duplicates += 1
            conflicts += 1
            reason = f"the id was used before for another {message.kind} message"
            rejected.append(Rejected(message.body.encode(), reason))
    for item in rejected:
        body_hash = hashlib.sha256(item.body).hexdigest()
        connection.execute(
            _INSERT_POISON, (delivery.source, body_hash, item.body, item.reason, stamp, stamp)
        )
    return PutResult(accepted, duplicates, conflicts)


def _id_after_previous(
    connection: sqlite3.Connection, message: Message, evidence_hash: str, stamp: int
) -> str | None:
    """An id for a message that carries none; None if it repeats the one before it.

    The id includes the previous message's, so that the same content may come again later.
    """
    previous = connection.execute(
        "select message_id, evidence_hash, received_at from messages "
        "where kind = ? and subject = ? order by sequence desc limit 1",
        (message.kind, message.subject),
    ).fetchone()
    if previous is None:
        return content_hash(f"{message.subject}/{evidence_hash}")
    previous_id, previous_hash, received_at = previous
    is_recent = (stamp - received_at) * MICROSECOND < RETRY_HORIZON
    if previous_hash == evidence_hash and is_recent:
        return None
    return content_hash(f"{previous_id}/{evidence_hash}")


def _evidence(connection: sqlite3.Connection, kind: Kind, message_id: str) -> str:
    row = connection.execute(
        "select evidence_hash from messages where kind = ? and message_id = ?", (kind, message_id)
    ).fetchone()
    return str(row[0])


def _typed_values(message: Message) -> Iterator[Any]:
    for name in _WRITTEN:
        value = getattr(message, name, None)
        yield _microseconds(value) if isinstance(value, datetime) else value


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


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
