"""What became of one row of a batch, and when it is due again."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import ClassVar, Literal

import pyarrow as pa

LONGEST_WAIT = timedelta(hours=1)

_TYPES = {
    "is_retryable": pa.bool_(),
    "retry_at": pa.timestamp("us", tz="UTC"),
    "http_status": pa.int32(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of what a subclass names by its column ``KEY``.

    ``outcome`` is accepted, rejected, unknown (no answer came: it may have been applied) or unsent
    (the drain stopped before it).
    """

    KEY: ClassVar[str]

    outcome: Literal["accepted", "rejected", "unknown", "unsent"]
    is_retryable: bool = False
    retry_at: datetime | None = None
    http_status: int | None = None
    reply_text: str | None = None
    remedy: str | None = None

    @property
    def is_dead(self) -> bool:
        """Whether it was refused for good."""
        return self.outcome == "rejected" and not self.is_retryable

    def as_row(self) -> dict[str, object]:
        """The verdict as a row of :meth:`schema`."""
        return {name: getattr(self, name) for name in self.schema().names}

    @classmethod
    def schema(cls) -> pa.Schema:
        """Its fields, which are columns of the table of pushes."""
        names = [field.name for field in fields(cls)]
        return pa.schema([(name, _TYPES.get(name, pa.string())) for name in names])


def backoff(base_seconds: float, failures: int) -> timedelta:
    """How long to wait after so many earlier failures: twice as long after each."""
    return min(timedelta(seconds=base_seconds * 2 ** min(failures, 20)), LONGEST_WAIT)
