"""The book of alerts: what is open, what has been told, what still has to reach a target.

Reads and writes ``alerts.sqlite``. A finding and the mark that its run was looked at are one
transaction; a second look at the same run writes nothing.
"""

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from emarsys_pipeline.alerts.alert import Alert, Finding

BUSY_SECONDS = 20.0
RETRY_BASE_SECONDS = 30.0
MAX_RETRY_SECONDS = 3600.0
MAX_DOUBLINGS = 10
KEPT = timedelta(days=90)

Compose = Callable[[Finding, str, int], Alert]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that one target has not taken yet."""

    delivery: int
    target: str
    attempts: int
    alert: Alert


class AlertBook:
    """Use it in a ``with`` block; several processes may have it open."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")
        schema = resources.files(__package__).joinpath("book.sql").read_text(encoding="utf-8")
        self._connection.executescript(schema)

    def __enter__(self) -> "AlertBook":
        """The book itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the file."""
        self._connection.close()

    def newest_storage_id(self) -> int | None:
        """The newest event of the log that was looked at, None before the first look."""
        ((newest,),) = self._rows("select max(storage_id) from handled_runs")
        return None if newest is None else int(newest)

    def is_handled(self, run_id: str) -> bool:
        """Whether the outcome of this run has been looked at."""
        return bool(self._rows("select 1 from handled_runs where run_id = ?", run_id))

    def record(
        self,
        findings: Iterable[Finding],
        *,
        targets: Sequence[str],
        compose: Compose,
        repeat_after: timedelta,
        run: tuple[str, int] | None = None,
    ) -> int:
        """Write findings down, and the messages that they make, in one transaction.

        A subject that is open with the same failure is only counted until ``repeat_after`` has
        passed; one that is well again is told once and closed.

        Args:
            findings: in the order in which they were found.
            targets: the names of those who get each message.
            compose: makes the message of a finding, its id and its number of repetitions.
            repeat_after: after this a failure that stays is told again.
            run: id of the run that was looked at, and its event in the log.

        Returns:
            How many messages were made.
        """
        made = 0
        with self._transaction():
            if run is not None:
                if self.is_handled(run[0]):
                    return 0
                oldest = (datetime.now(UTC) - KEPT).isoformat()
                self._rows("delete from deliveries where delivered_at < ?", oldest)
                self._rows("insert into handled_runs values (?, ?)", *run)
            for finding in findings:
                repeated = self._repetitions_to_tell(finding, repeat_after)
                if repeated is None:
                    continue
                made += 1
                message = json.dumps(asdict(compose(finding, uuid.uuid4().hex, repeated)))
                for target in targets:
                    self._rows(
                        "insert into deliveries (alert, target) values (?, ?)", message, target
                    )
        return made

    def waiting(self, target: str, now: datetime) -> list[Waiting]:
        """What a target must get now, oldest first; empty while it is given time to recover."""
        rows = self._rows(
            "select delivery, target, attempts, alert, retry_at from deliveries"
            " where target = ? and delivered_at is null order by delivery limit 50",
            target,
        )
        if rows and rows[0][-1] is not None and datetime.fromisoformat(rows[0][-1]) > now:
            return []
        return [
            Waiting(delivery, target, attempts, Alert(**json.loads(alert)))
            for delivery, target, attempts, alert, _ in rows
        ]

    def delivered(self, waiting: Waiting, now: datetime) -> None:
        """Note that the target has taken the message."""
        self._rows(
            "update deliveries set delivered_at = ?, attempts = attempts + 1, last_error = null"
            " where delivery = ?",
            now.isoformat(),
            waiting.delivery,
        )

    def failed(self, waiting: Waiting, reason: str, now: datetime) -> None:
        """Note that the target has not taken it; waits double, and nothing is given up."""
        doublings = min(waiting.attempts, MAX_DOUBLINGS)
        wait = timedelta(seconds=min(RETRY_BASE_SECONDS * 2**doublings, MAX_RETRY_SECONDS))
        self._rows(
            "update deliveries set attempts = attempts + 1, retry_at = ?, last_error = ?"
            " where delivery = ?",
            (now + wait).isoformat(),
            reason,
            waiting.delivery,
        )

    def open_subjects(self) -> list[dict[str, Any]]:
        """What is not well, oldest first."""
        names = ("subject", "what", "severity", "since", "told_at", "repeated")
        rows = self._rows(
            "select subject, what, severity, since, told_at, repeated from open_subjects"
            " order by since, subject"
        )
        return [dict(zip(names, row, strict=True)) for row in rows]

    def undelivered(self, targets: Sequence[str]) -> dict[str, dict[str, Any]]:
        """For each target: how many messages wait, and what it said last."""
        found = {}
        for target in targets:
            ((messages, error),) = self._rows(
                "select count(*), max(last_error) from deliveries"
                " where target = ? and delivered_at is null",
                target,
            )
            found[target] = {"waiting": messages, "last_error": error}
        return found

    def _repetitions_to_tell(self, finding: Finding, repeat_after: timedelta) -> int | None:
        """How often it was found since it was last told; None if it is not to be told now."""
        known = self._rows(
            "select fingerprint, told_at, repeated from open_subjects where subject = ?",
            finding.subject,
        )
        if finding.severity == "resolved":
            self._rows("delete from open_subjects where subject = ?", finding.subject)
            return known[0][2] if known else None
        now = datetime.now(UTC)
        if known:
            fingerprint, told_at, repeated = known[0]
            is_known = fingerprint == finding.fingerprint
            if is_known and now < datetime.fromisoformat(told_at) + repeat_after:
                self._rows(
                    "update open_subjects set repeated = repeated + 1 where subject = ?",
                    finding.subject,
                )
                return None
        else:
            repeated = 0
        self._rows(
            "insert into open_subjects values (?, ?, ?, ?, ?, ?, 0) on conflict (subject) do update"
            " set fingerprint = excluded.fingerprint, what = excluded.what,"
            " severity = excluded.severity, told_at = excluded.told_at, repeated = 0",
            finding.subject,
            finding.fingerprint,
            finding.what,
            finding.severity,
            finding.occurred_at.isoformat(),
            now.isoformat(),
        )
        return int(repeated)

    def _rows(self, statement: str, *values: object) -> list[Any]:
        return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")
