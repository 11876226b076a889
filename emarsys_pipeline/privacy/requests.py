"""Erasure requests: recorded before anything is removed, and gone when all is removed.

A request names the person in full, since later steps run when the tables no longer do. It lies in a
file that only its owner may read, until the erasure has ended.
"""

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from emarsys_pipeline.privacy.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRequest:
    """One erasure that has begun."""

    erasure_id: str
    requested_at: datetime
    subject: Subject
    path: Path


def record_request(
    folder: Path, erasure_id: str, subject: Subject, now: datetime
) -> ErasureRequest:
    """Keep a request; it is durable when this returns."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{erasure_id}.json"
    building = path.with_suffix(".tmp")
    document = {"requested_at": now.isoformat(), "subject": asdict(subject)}
    descriptor = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    building.replace(path)
    _sync(folder)
    return ErasureRequest(erasure_id=erasure_id, requested_at=now, subject=subject, path=path)


def open_requests(folder: Path) -> list[ErasureRequest]:
    """Erasures that began and did not end, oldest first."""
    for leftover in folder.glob("*.tmp"):
        leftover.unlink()
    found = [_read(path) for path in folder.glob("*.json")]
    return sorted(found, key=lambda request: request.requested_at)


def close_request(request: ErasureRequest) -> None:
    """Overwrite a request and remove it."""
    size = request.path.stat().st_size
    with request.path.open("r+b") as file:
        file.write(b"\0" * size)
        file.flush()
        os.fsync(file.fileno())
    request.path.unlink()
    _sync(request.path.parent)


def _read(path: Path) -> ErasureRequest:
    document = json.loads(path.read_text(encoding="utf-8"))
    subject = document["subject"]
    return ErasureRequest(
        erasure_id=path.stem,
        requested_at=datetime.fromisoformat(document["requested_at"]).astimezone(UTC),
        subject=Subject(
            identity_ids=tuple(subject["identity_ids"]),
            contacts=tuple((a, b, c) for a, b, c in subject["contacts"]),
            identifiers=tuple((kind, value) for kind, value in subject["identifiers"]),
            shared=subject["shared"],
            event_ids=tuple(subject["event_ids"]),
            written=tuple(subject["written"]),
        ),
        path=path,
    )


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
