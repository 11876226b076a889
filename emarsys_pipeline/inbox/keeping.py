"""Puts deliveries into the tables: each message once, whatever is sent twice."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from emarsys_pipeline.inbox.messages import Message, content_hash
from emarsys_pipeline.inbox.stores import Statements

# Emarsys repeats an unanswered call for up to about 1.5 hours (11 attempts, 10 minutes apart at
# most). Equal messages without id and time are one message within this span.
RETRY_HORIZON = timedelta(hours=6)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# Few statements, since each is a way to the server and back where the inbox is in PostgreSQL.
ROWS_PER_STATEMENT = 200

_WRITTEN = (
    "event_id", "platform_contact_id", "first_name", "last_name", "phone", "email", "channel",
    "status", "occurred_at", "updated_at", "is_deleted", "account", "deduplication_id",
)  # fmt: skip
_COLUMNS = (
    "kind", "message_id", "subject", "received_at", "source", "evidence_hash", "body", *_WRITTEN
)  # fmt: skip
_ROW = f"({', '.join('?' * len(_COLUMNS))})"
_INSERT_POISON = """
    insert into poison
        (source, body_hash, body, reason, received_at, last_received_at, occurrences)
    values (?, ?, ?, ?, ?, ?, 1)
    on conflict (source, body_hash, reason) do update
    set occurrences = poison.occurrences + 1, last_received_at = excluded.last_received_at
"""
_PREVIOUS = """
    select message_id, evidence_hash, received_at from messages
    where kind = ? and subject = ? order by sequence desc limit 1
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


@dataclass(slots=True)
class _Tally:
    """What has become of one delivery so far."""

    delivery: Delivery
    rejected: list[Rejected]
    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    """A message that is about to be written."""

    tally: _Tally
    message: Message
    message_id: str
    evidence_hash: str

    @property
    def key(self) -> tuple[str, str]:
        return self.message.kind, self.message_id

    def values(self, stamp: int) -> Iterator[Any]:
        source = self.tally.delivery.source
        yield from (*self.key, self.message.subject, stamp, source, self.evidence_hash)
        yield self.message.body
        for name in _WRITTEN:
            value = getattr(self.message, name, None)
            if isinstance(value, datetime):
                yield microseconds(value)
            else:
                yield int(value) if isinstance(value, bool) else value


def keep(connection: Statements, deliveries: Sequence[Delivery], stamp: int) -> list[PutResult]:
    """Write what these deliveries bring that is not there yet, in their order.

    Args:
        connection: a transaction that is alone in writing.
        deliveries: what came.
        stamp: when it was received, in microseconds since 1970.
    """
    tallies = [_Tally(delivery, list(delivery.rejected)) for delivery in deliveries]
    waiting: list[_Row] = []
    for tally in tallies:
        for message in tally.delivery.messages:
            evidence_hash = content_hash(message.body)
            message_id = message.message_id
            if message_id is None:
                # It depends on the message before it, which must be there to be found.
                _insert(connection, waiting, stamp)
                waiting = []
                message_id = _id_after_previous(connection, message, evidence_hash, stamp)
            if message_id is None:
                tally.duplicates += 1
                continue
            waiting.append(_Row(tally, message, message_id, evidence_hash))
            if len(waiting) == ROWS_PER_STATEMENT:
                _insert(connection, waiting, stamp)
                waiting = []
    _insert(connection, waiting, stamp)
    for tally in tallies:
        _insert_poison(connection, tally, stamp)
    return [PutResult(each.accepted, each.duplicates, each.conflicts) for each in tallies]


def microseconds(moment: datetime) -> int:
    """The moment as the tables hold it, since 1970 UTC."""
    return (moment - EPOCH) // MICROSECOND


def _insert(connection: Statements, rows: Sequence[_Row], stamp: int) -> None:
    if not rows:
        return
    new = {
        (kind, message_id)
        for kind, message_id in connection.execute(
            f"insert into messages ({', '.join(_COLUMNS)}) "  # noqa: S608 - constants above
            f"values {', '.join([_ROW] * len(rows))} "
            "on conflict (kind, message_id) do nothing returning kind, message_id",
            [value for row in rows for value in row.values(stamp)],
        ).fetchall()
    }
    repeated = []
    for row in rows:
        if row.key in new:
            # Of equal ones in one statement the first was written.
            new.remove(row.key)
            row.tally.accepted += 1
        else:
            repeated.append(row)
    _count_repeated(connection, repeated)


def _count_repeated(connection: Statements, rows: Sequence[_Row]) -> None:
    if not rows:
        return
    marks = ", ".join(["(?, ?)"] * len(rows))
    evidence = {
        (kind, message_id): evidence_hash
        for kind, message_id, evidence_hash in connection.execute(
            "select kind, message_id, evidence_hash from messages "  # noqa: S608 - question marks
            f"where (kind, message_id) in (values {marks})",
            [value for row in rows for value in row.key],
        ).fetchall()
    }
    for row in rows:
        row.tally.duplicates += 1
        if evidence[row.key] != row.evidence_hash:
            row.tally.conflicts += 1
            reason = f"the id was used before for another {row.message.kind} message"
            row.tally.rejected.append(Rejected(row.message.body.encode(), reason))


def _insert_poison(connection: Statements, tally: _Tally, stamp: int) -> None:
    for item in tally.rejected:
        body_hash = hashlib.sha256(item.body).hexdigest()
        connection.execute(
            _INSERT_POISON,
            (tally.delivery.source, body_hash, item.body, item.reason, stamp, stamp),
        )


def _id_after_previous(
    connection: Statements, message: Message, evidence_hash: str, stamp: int
) -> str | None:
    """An id for a message that carries none; None if it repeats the one before it.

    The id includes the previous message's, so that the same content may come again later.
    """
    previous = connection.execute(_PREVIOUS, (message.kind, message.subject)).fetchall()
    if not previous:
        return content_hash(f"{message.subject}/{evidence_hash}")
    ((previous_id, previous_hash, received_at),) = previous
    is_recent = (stamp - received_at) * MICROSECOND < RETRY_HORIZON
    if previous_hash == evidence_hash and is_recent:
        return None
    return content_hash(f"{previous_id}/{evidence_hash}")
