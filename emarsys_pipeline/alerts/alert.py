"""What is told to people when something failed, and when it is well again."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Severity = Literal["error", "warning", "resolved"]

# Messages stay readable on a telephone; the run holds the whole text.
MAX_REASON_CHARACTERS = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong, or is right, with one subject.

    Attributes:
        subject: what it is about, the same each time: ``check:...``, ``run:...``, ``tick:...``.
        what: what failed, in a few words.
        severity: ``resolved`` when all is well with the subject.
        what_to_do: the first thing to do about it.
        why: the reason as the run tells it; no personal data.
        runbook: the page and section that help, from the top of the project.
        run_id: the Dagster run, empty for none.
        occurred_at: when it was found.
    """

    subject: str
    what: str
    severity: Severity
    occurred_at: datetime
    what_to_do: str = ""
    why: str = ""
    runbook: str = ""
    run_id: str = ""

    @property
    def fingerprint(self) -> str:
        """The same for the same failure of the same subject, whichever run found it."""
        content = json.dumps([self.severity, self.what_to_do, self.why])
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One message to people, with everything that they need to act.

    Attributes:
        alert_id: the same in each delivery of this message.
        repeated: how often the same was found since the last message about it.
        run_url: the run in the UI, empty for none.
        runbook_url: the section that helps.
    """

    alert_id: str
    severity: Severity
    what_to_do: str
    what: str
    why: str
    repeated: int
    run_url: str
    runbook_url: str
    occurred_at: str

    @classmethod
    def of(
        cls, finding: Finding, *, alert_id: str, repeated: int, ui_url: str, docs_url: str
    ) -> "Alert":
        """The message for a finding.

        Args:
            finding: what was found.
            alert_id: its id.
            repeated: how often it was found since it was last told.
            ui_url: root of the Dagster UI.
            docs_url: root under which ``docs/`` lies, empty for a path within the project.
        """
        return cls(
            alert_id=alert_id,
            severity=finding.severity,
            what_to_do=finding.what_to_do or "Nothing: it is well again.",
            what=finding.what,
            why=finding.why[:MAX_REASON_CHARACTERS],
            repeated=repeated,
            run_url=f"{ui_url}/runs/{finding.run_id}" if finding.run_id else "",
            runbook_url=f"{docs_url}/{finding.runbook}" if docs_url else finding.runbook,
            occurred_at=finding.occurred_at.astimezone(UTC).isoformat(timespec="seconds"),
        )

    @property
    def title(self) -> str:
        """One line for a subject or a notification."""
        return f"[emarsys_pipeline] {self.severity}: {self.what}"

    @property
    def text(self) -> str:
        """The message for people; its first line says what to do."""
        lines = [self.what_to_do, "", f"{self.severity}: {self.what}"]
        if self.repeated:
            lines.append(f"Found {self.repeated} more times since the last message.")
        if self.why:
            lines += ["", self.why, ""]
        lines += [f"Run: {self.run_url}"] if self.run_url else []
        lines += [f"Runbook: {self.runbook_url}"] if self.runbook_url else []
        return "\n".join([*lines, f"Found at: {self.occurred_at}"])

    def as_dict(self) -> dict[str, Any]:
        """What a webhook gets: every fact, and ``text`` as chat services show it."""
        return {**asdict(self), "title": self.title, "text": f"{self.title}\n{self.text}"}
