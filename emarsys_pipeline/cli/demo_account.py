"""The demo's world: a sandbox account that lasts between runs, and settings that point to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from emarsys_pipeline.inbox import Inbox, Message, parse_message
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.settings import Settings, example_settings, load_settings, provide
from emarsys_pipeline.windows import Window, WindowGrid

SETTINGS_NAME = "emarsys_pipeline.yaml"
EXAMPLE_URL = "http://127.0.0.1:8025"
WINDOW_MINUTES = 720

# Shares of the messaging side's contacts that decide before the first window ends, and while the
# demo watches.
EARLY_DECISIONS = {"granted": 0.25, "withdrawn": 0.05}
LATE_DECISIONS = {"granted": 0.02, "withdrawn": 0.01}


@dataclass(frozen=True, slots=True)
class DemoWindows:
    """The two windows that the demo imports, fixed by its first run."""

    first: Window
    second: Window

    @classmethod
    def of(cls, grid: WindowGrid) -> "DemoWindows":
        """The first two windows of the settings."""
        first = grid.at(grid.start)
        return cls(first, grid.at(first.end))


def write_settings(home: Path, sandbox: Sandbox, now: datetime) -> Settings:
    """The settings of the demo: the packaged example, with this sandbox and recent windows.

    A file that an earlier run wrote keeps all but the sandbox's address, which may be new.
    """
    path = home / SETTINGS_NAME
    if path.exists():
        text = path.read_text(encoding="utf-8")
        old_url = load_settings(path).accounts[0].base_url
    else:
        text = example_settings(_first_start(now))
        old_url = EXAMPLE_URL
    path.write_text(text.replace(old_url, sandbox.url), encoding="utf-8")
    provide(
        {
            "EMARSYS_SHOP_DE_USERNAME": sandbox.username,
            "EMARSYS_SHOP_DE_SECRET": sandbox.secret,
        }
    )
    return load_settings(path)


def _first_start(now: datetime) -> datetime:
    length = timedelta(minutes=WINDOW_MINUTES)
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (now - midnight) // length * length - 2 * length


class DemoEvents:
    """What happens on the messaging side, once: a second run finds everything done."""

    def __init__(self, home: Path, sandbox: Sandbox, inbox: Inbox) -> None:
        self._sandbox = sandbox
        self._inbox = inbox
        self._done_path = home / "events_done.json"

    def contacts_and_decisions_of(self, window: Window) -> None:
        """The platform's contacts and the decisions so far, received at the end of a window."""
        if not self._begin(f"received in {window.key}"):
            return
        received_at = window.end - timedelta(seconds=1)
        contacts = [parse_message("contact", row) for row in self._sandbox.platform_contacts()]
        self._inbox.put(contacts, source="file", received_at=received_at)
        self._put_decisions(self._sandbox.platform_consents(), received_at)
        self._end(f"received in {window.key}")

    def half_a_day(self) -> None:
        """Twelve hours pass in Emarsys and on the messaging side."""
        if self._begin("half a day"):
            self._sandbox.advance("12h")
            self._end("half a day")

    def late_decisions(self) -> None:
        """Some people change their minds now."""
        if not self._begin("late decisions"):
            return
        self._put_decisions(self._decide(LATE_DECISIONS), None)
        self._end("late decisions")

    def early_decisions(self) -> None:
        """Many people have decided before the pipeline sees them for the first time."""
        if self._begin("early decisions"):
            self._decide(EARLY_DECISIONS)
            self._end("early decisions")

    def _decide(self, shares: Mapping[str, float]) -> list[dict[str, Any]]:
        people = len(self._sandbox.platform_contacts())
        return [
            event
            for status, share in shares.items()
            for event in self._sandbox.decide(status, count=max(1, round(people * share)))
        ]

    def _put_decisions(self, rows: list[dict[str, Any]], received_at: datetime | None) -> None:
        messages: list[Message] = [parse_message("consent", row) for row in rows]
        self._inbox.put(messages, source="file", received_at=received_at)

    def _begin(self, name: str) -> bool:
        return name not in self._done()

    def _end(self, name: str) -> None:
        self._done_path.write_text(json.dumps([*self._done(), name]), encoding="utf-8")

    def _done(self) -> list[str]:
        if not self._done_path.exists():
            return []
        names: list[str] = json.loads(self._done_path.read_text(encoding="utf-8"))
        return names
