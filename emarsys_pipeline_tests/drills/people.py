"""The people of the drill: their contacts, what they decide, and how the webhooks tell it."""

import hashlib
import hmac
import json
import random
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import requests

from emarsys_pipeline_tests.reference import Decision, fold

SECRET = "platform secret of at least 32 bytes"
SENDERS = 4
PATIENCE_SECONDS = 60
STATUSES = ("granted", "withdrawn", "granted", "withdrawn", "denied", "paused")
DECIDING = ("granted", "withdrawn", "denied")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with one or two contacts; ``address`` names one that Emarsys has deleted."""

    name: str
    phone: str
    contact_ids: tuple[str, ...]
    address: str | None = None


@dataclass(slots=True)
class Event:
    """A decision; ``answered_at`` is when the service said that it is kept."""

    event_id: str
    person: Person
    status: str
    occurred: int
    answered_at: datetime | None = None

    @property
    def body(self) -> bytes:
        """The event as the messaging platform sends it."""
        document = {
            "event_id": self.event_id,
            "phone": self.person.phone,
            "status": self.status,
            "occurred_at": (FIRST + timedelta(seconds=self.occurred)).isoformat(),
        }
        return json.dumps(document).encode()


@dataclass
class Crowd:
    """All people, and everything they have decided so far."""

    people: Sequence[Person]
    chance: random.Random
    events: dict[str, Event] = field(default_factory=dict)
    moment: int = 1000

    def decide(self, count: int) -> list[Event]:
        """Let some people decide; one in six tells it late, after decisions made since."""
        made = []
        used = {event.occurred for event in self.events.values()}
        for _ in range(count):
            self.moment += 1
            occurred = self.moment
            if self.chance.random() < 1 / 6:
                late = self.moment - self.chance.randrange(1, 60)
                occurred = self.moment if late in used else late
            used.add(occurred)
            event = Event(
                f"e{len(self.events):06d}",
                self.chance.choice(self.people),
                self.chance.choice(STATUSES),
                occurred,
            )
            self.events[event.event_id] = event
            made.append(event)
        return made

    def latest(self) -> dict[str, str]:
        """By person's name: the value that Emarsys must show, folded from all events."""
        decisions = (
            Decision(
                event.event_id,
                event.person.name,
                "whatsapp",
                event.status if event.status in DECIDING else "unknown",
                event.occurred,
                0,
            )
            for event in self.events.values()
        )
        return {
            person: "granted" if status == "granted" else "withdrawn"
            for (person, _), (status, _) in fold(decisions).items()
        }


def tell(
    events: Iterable[Event], url: str, *, chance: random.Random | None, gap_seconds: float
) -> threading.Thread:
    """Send events in the background, each until it is kept.

    Args:
        events: in the order decided.
        url: where to.
        chance: None sends in order and once; else some come twice, and all in any order.
        gap_seconds: between two of them.
    """
    queue = list(events)
    if chance is not None:
        queue += chance.sample(queue, len(queue) // 2)
        chance.shuffle(queue)

    def send_all() -> None:
        with ThreadPoolExecutor(SENDERS) as pool:
            for event in queue:
                pool.submit(_send, event, url)
                time.sleep(gap_seconds)

    thread = threading.Thread(target=send_all)
    thread.start()
    return thread


def _send(event: Event, url: str) -> None:
    body = event.body
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Signature": f"sha256={digest}"}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            reply = requests.post(url, data=body, headers=headers, timeout=10)
        except requests.RequestException:
            time.sleep(0.1)
            continue
        if reply.status_code == 202:
            event.answered_at = event.answered_at or datetime.now(UTC)
            return
        time.sleep(0.1)
