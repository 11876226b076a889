"""Streams the file of an export, whole or a page of it, intact or spoilt by a fault."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from emarsys_pipeline.sandbox.faults import FaultRule

_PIECE_BYTES = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def pieces(path: Path) -> Iterator[bytes]:
    """Give a file in pieces of one megabyte."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def records(path: Path) -> Iterator[bytes]:
    """Give the records of a CSV file one by one; a line break inside quotes ends no record."""
    with path.open("rb") as file:
        held = b""
        for line in file:
            held += line
            if held.count(b'"') % 2 == 0:
                yield held
                held = b""
        if held:
            yield held


def stream_file(
    path: Path,
    header: bytes,
    *,
    offset: int = 0,
    limit: int | None = None,
    has_byte_order_mark: bool = False,
    repeat_header: bool = False,
) -> Iterator[bytes]:
    """Give an export's bytes; ``offset`` and ``limit`` count records, not the header."""
    if has_byte_order_mark:
        yield _BYTE_ORDER_MARK
    if offset == 0 or repeat_header:
        yield header
    if offset == 0 and limit is None:
        yield from pieces(path)
        return
    end = None if limit is None else offset + limit
    yield from islice(records(path), offset, end)


def spoilt_file(path: Path, header: bytes, fault: FaultRule) -> Iterator[bytes] | None:
    """Give an export's bytes as a fault spoils them; None when the fault is not about files."""
    spoil = _SPOILERS.get(fault.name)
    return None if spoil is None else spoil(path, header)


def _cut(path: Path, header: bytes) -> Iterator[bytes]:
    """End in mid record: the last record loses its second half and its line end."""
    whole = path.read_bytes()
    keep = records(path)
    half = len(whole) // 2
    size = 0
    yield header
    for record in keep:
        size += len(record)
        if size >= half:
            yield record.rstrip(b"\r\n")[: max(len(record) // 2, 1)]
            return
        yield record


def _cut_at_record(path: Path, header: bytes) -> Iterator[bytes]:
    total = sum(1 for _ in records(path))
    return chain([header], islice(records(path), max(total - max(total // 10, 1), 0)))


def _without_some(path: Path, header: bytes) -> Iterator[bytes]:
    yield header
    yield from (record for number, record in enumerate(records(path)) if number % 10 != 5)


def _cut_in_quotes(path: Path, header: bytes) -> Iterator[bytes]:
    yield header
    for record in records(path):
        if b'"' in record:
            yield record[: record.index(b'"') + 2]
            return
        yield record
    yield b'"unfinished'


def _duplicated(path: Path, header: bytes) -> Iterator[bytes]:
    yield header
    for number, record in enumerate(records(path)):
        yield record
        if number % 10 == 0:
            yield record


def _shuffled(path: Path, header: bytes) -> Iterable[bytes]:
    held = list(records(path))
    # A fixed seed: the same file is always shuffled the same way.
    random.Random(4711).shuffle(held)  # noqa: S311 - not for secrecy
    return [header, *held]


def _repeated_header(path: Path, header: bytes) -> Iterator[bytes]:
    total = sum(1 for _ in records(path))
    yield header
    for number, record in enumerate(records(path)):
        if number == total // 2:
            yield header
        yield record


def _lf_only(path: Path, header: bytes) -> Iterator[bytes]:
    yield header.replace(b"\r\n", b"\n")
    for record in records(path):
        yield record.removesuffix(b"\r\n").removesuffix(b"\n") + b"\n"


def _extra_column(path: Path, header: bytes) -> Iterator[bytes]:
    if header:
        yield header.rstrip(b"\r\n") + b",Extra\r\n"
    for record in records(path):
        yield record.removesuffix(b"\r\n").removesuffix(b"\n") + b",x\r\n"


_SPOILERS = {
    "truncated_csv": _cut,
    "truncated_csv_at_record": _cut_at_record,
    "missing_csv_rows": _without_some,
    "truncated_csv_in_quotes": _cut_in_quotes,
    "header_only_csv": lambda _path, header: iter([header]),
    "empty_csv": lambda _path, _header: iter([b""]),
    "duplicated_csv_rows": _duplicated,
    "shuffled_csv_rows": lambda path, header: iter(_shuffled(path, header)),
    "repeated_csv_header": _repeated_header,
    "byte_order_mark": lambda path, header: chain([_BYTE_ORDER_MARK, header], pieces(path)),
    "lf_line_ends": _lf_only,
    "extra_csv_column": _extra_column,
}
