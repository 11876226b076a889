"""Files of messages: JSON lines, CSV or Parquet, through the same door as webhooks.

Rows become durable batch by batch. Loading a file again, whole or after an interruption, adds
nothing that is already there. A row that cannot be read is kept in the poison table with its
reason.
"""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from emarsys_pipeline.inbox.keeping import Delivery, PutResult, Rejected
from emarsys_pipeline.inbox.messages import Kind, Message, MessageError, load_json, parse_message
from emarsys_pipeline.inbox.queue import Inbox

BATCH_ROWS = 5000
MAX_LISTED_REJECTS = 1000

# One row of a file: its number, the content or why there is none, and its own bytes.
Row = tuple[int, object, bytes]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One row that could not be read; rows count from 1, lines of a header not included."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLoaded:
    """What one file brought, in rows: ``read = accepted + duplicates + rejected``.

    ``rejects`` lists the first 1,000; all are in the poison table.
    """

    read: int
    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    rejects: tuple[RejectedRow, ...]


def load_file(
    inbox: Inbox,
    path: Path,
    *,
    kind: Kind,
    account: str | None = None,
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[int], None] = lambda _rows: None,
) -> FileLoaded:
    """Put every row of a file; its ending (.jsonl, .ndjson, .csv, .parquet) tells the format.

    Columns have the names of a message's keys. ``account`` is needed for automation calls.
    ``progress`` hears the rows read so far, after each durable batch.

    Raises:
        ValueError: no such format, or a CSV file without header or with broken quotes; the
            batches before are durable.
        OSError: the file cannot be read.
    """
    rows = _rows(path)
    read = accepted = duplicates = conflicts = rejected = 0
    rejects: list[RejectedRow] = []
    while batch := list(islice(rows, batch_rows)):
        delivery, refused = _delivery(batch, kind, account, f"file:{path.name}")
        (result,) = inbox.put_deliveries([delivery])
        read += len(batch)
        accepted, duplicates, conflicts = _added((accepted, duplicates, conflicts), result)
        rejected += len(refused)
        rejects += refused[: MAX_LISTED_REJECTS - len(rejects)]
        progress(read)
    return FileLoaded(
        read=read,
        accepted=accepted,
        duplicates=duplicates,
        conflicts=conflicts,
        rejected=rejected,
        rejects=tuple(rejects),
    )


def _added(sums: tuple[int, int, int], result: PutResult) -> tuple[int, int, int]:
    return (
        sums[0] + result.accepted,
        sums[1] + result.duplicates,
        sums[2] + result.conflicts,
    )


def _delivery(
    batch: list[Row], kind: Kind, account: str | None, source: str
) -> tuple[Delivery, list[RejectedRow]]:
    messages: list[Message] = []
    bodies: list[Rejected] = []
    rows: list[RejectedRow] = []
    for number, content, raw in batch:
        try:
            if isinstance(content, MessageError):
                raise content
            messages.append(parse_message(kind, content, account=account))
        except MessageError as error:
            bodies.append(Rejected(raw, str(error)))
            rows.append(RejectedRow(number, str(error)))
    return Delivery(messages, source, bodies), rows


def _rows(path: Path) -> Iterator[Row]:
    readers = {
        ".jsonl": _json_rows,
        ".ndjson": _json_rows,
        ".csv": _csv_rows,
        ".parquet": _parquet_rows,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path.name} is of no known kind; name it {', '.join(readers)}")
    return reader(path)


def _json_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as lines:
        number = 0
        for line in lines:
            raw = line.strip()
            if not raw:
                continue
            number += 1
            content: object
            try:
                content = load_json(raw)
            except MessageError as error:
                content = error
            yield number, content, raw


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as text:
        header = text.readline()
        delimiter = ";" if header.count(";") > header.count(",") else ","
        text.seek(0)
        reader = csv.DictReader(text, delimiter=delimiter, strict=True)
        if not reader.fieldnames:
            raise ValueError(f"{path.name} has no header; name the columns in its first line")
        try:
            yield from map(_csv_row, count(1), reader)
        except csv.Error as error:
            raise ValueError(f"{path.name}, after line {reader.line_num}: {error}") from error


def _csv_row(number: int, row: dict[str | Any, str | Any]) -> Row:
    raw = json.dumps(row, ensure_ascii=False).encode()
    if None in row or None in row.values():
        return number, MessageError("has more or fewer values than the header"), raw
    return number, {name: value for name, value in row.items() if value != ""}, raw


def _parquet_rows(path: Path) -> Iterator[Row]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            for row in batch.to_pylist():
                number += 1
                content = {name: _plain(value) for name, value in row.items() if value is not None}
                raw = json.dumps(content, ensure_ascii=False, default=str).encode()
                yield number, content, raw


def _plain(value: Any) -> Any:
    """Times as text, like everywhere else; a time without zone stays without."""
    return value.isoformat() if isinstance(value, datetime | date) else value
