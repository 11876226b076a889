"""An outbox before the sandbox: people decide, values are pushed, the sandbox tells its side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.emarsys import EmarsysClient, RetrySettings, WsseCredentials
from emarsys_pipeline.inbox import ConsentMessage, Inbox
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.settings import PushSettings
from emarsys_pipeline.stages.opt_in_pushes import OptInPushed, make_refresh, push_account
from emarsys_pipeline.stages.opt_in_pushes.intents import Refresh
from emarsys_pipeline_tests.builders import GRID, add_contact
from emarsys_pipeline_tests.places import Place
from emarsys_pipeline_tests.stages.deciding import ACCOUNT, FIELD, add_field, rows, stitch
from emarsys_pipeline_tests.warehouses import Warehouse

# Longer than a drain takes: a retry is for the next one, which tests let happen later.
QUICK = PushSettings(settle_after_seconds=0, retry_base_seconds=20)
GRANTED, WITHDRAWN = "granted", "withdrawn"


def phone_of(contact_id: str) -> str:
    """A fictional number that only this contact has."""
    return f"+4915{int(contact_id) % 10**9:09d}"


def open_client(url: str, username: str, secret: str) -> EmarsysClient:
    """A client that gives up soon."""
    quick = RetrySettings(total_seconds=2, wait_factor=0.01)
    return EmarsysClient(WsseCredentials(username, secret), base_url=url, retries=quick)


def refresh_from(inbox: Inbox) -> Refresh:
    """What takes decisions out of this inbox."""
    return make_refresh(
        inbox, GRID, accounts=[ACCOUNT], default_region="DE", run_id="run", now=utc_now
    )


def push_with(
    warehouse: Warehouse,
    client: EmarsysClient,
    inbox: Inbox,
    pushes: PushSettings = QUICK,
    now: Callable[[], datetime] = utc_now,
) -> OptInPushed:
    """One drain, as a run does it."""
    return push_account(
        warehouse,
        client,
        ACCOUNT,
        pushes=pushes,
        run_id="run",
        refresh=refresh_from(inbox),
        now=now,
    )


@dataclass
class Outbox:
    """Some contacts of the sandbox, known to a warehouse, each a person of its own."""

    warehouse: Warehouse
    sandbox: Sandbox
    client: EmarsysClient
    inbox: Inbox
    contact_ids: Sequence[str]
    decisions: int = 0
    log_start: int = 0
    minutes: float = 0
    latest: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        warehouse: Warehouse,
        sandbox: Sandbox,
        client: EmarsysClient,
        directory: Path,
        size: int,
        place: "Place | None" = None,
    ) -> "Outbox":
        """Empty the field of the first contacts of the sandbox and import them.

        Args:
            warehouse: empty.
            sandbox: with more contacts than ``size``.
            client: of the sandbox.
            directory: of the inbox, unless it has a ``place`` elsewhere.
            size: how many contacts.
            place: of the inbox.
        """
        contact_ids = sorted(sandbox.field_values(FIELD))[:size]
        sandbox.import_silently({each: {FIELD: ""} for each in contact_ids})
        add_field(warehouse)
        with warehouse.write() as connection:
            for each in contact_ids:
                add_contact(connection, each, phones=[phone_of(each)])
        stitch(warehouse)
        inbox = Inbox(place or directory / "inbox.sqlite")
        made = cls(warehouse, sandbox, client, inbox, contact_ids)
        made.log_start = max((write["sequence"] for write in sandbox.log()), default=0)
        return made

    def decide(self, status: str, contact_ids: Sequence[str] | None = None) -> None:
        """Let these people, or all, decide; durable in the inbox at return."""
        self.decide_at(status, contact_ids, None)

    def decide_at(
        self, status: str, contact_ids: Sequence[str] | None, received_at: datetime | None
    ) -> None:
        """The same, received at a moment."""
        chosen = self.contact_ids if contact_ids is None else contact_ids
        messages = []
        for each in chosen:
            self.decisions += 1
            self.latest[each] = status
            occurred_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.decisions)
            messages.append(
                ConsentMessage(
                    event_id=f"e{self.decisions}",
                    phone=phone_of(each),
                    status=status,
                    occurred_at=occurred_at,
                )
            )
        self.inbox.put(messages, source="webhook", received_at=received_at)

    def push(self, **changes: Any) -> OptInPushed:
        """One drain, ``minutes`` after now, so that a test need not wait for a retry."""
        return push_with(
            self.warehouse,
            self.client,
            self.inbox,
            QUICK.model_copy(update=changes),
            lambda: utc_now() + timedelta(minutes=self.minutes),
        )

    def attempts(self) -> list[tuple[Any, ...]]:
        """All attempts in order: contact, value, attempt, outcome, retryable, HTTP, code."""
        return rows(
            self.warehouse,
            "select contact_id, value, attempt, outcome, is_retryable, http_status, reply_code"
            " from opt_in_pushes order by intended_at, contact_id, value, attempt, outcome",
        )

    def held(self) -> Mapping[str, str | None]:
        """What the sandbox holds for the contacts."""
        values = self.sandbox.field_values(FIELD)
        return {each: values[each] for each in self.contact_ids}

    def writes(self) -> list[tuple[str, str]]:
        """What the sandbox applied since, in order: contact and value."""
        return [
            (write["contact_id"], write["value"])
            for write in self.sandbox.log(field=FIELD, after=self.log_start)
        ]

    def assert_settled(self) -> None:
        """Each latest decision arrived; a contact that withdrew last was never granted after."""
        assert self.held() == {each: self.latest.get(each) for each in self.contact_ids}
        by_contact: dict[str, list[str]] = {}
        for contact_id, value in self.writes():
            by_contact.setdefault(contact_id, []).append(value)
        for values in by_contact.values():
            assert values == sorted(values), "a superseded value was written"
        unfinished = rows(
            self.warehouse,
            "select outcome, count(*) from opt_in_deliveries"
            " where outcome not in ('accepted', 'superseded') group by outcome",
        )
        assert unfinished == []

    def assert_one_request_at_a_time(self) -> None:
        """No contact was in two requests at once."""
        overlaps = rows(
            self.warehouse,
            "select count(*) from opt_in_pushes as one join opt_in_pushes as other"
            " on one.contact_id = other.contact_id and one.batch_id <> other.batch_id"
            " and one.outcome <> 'superseded' and other.outcome <> 'superseded'"
            " and one.intended_at < other.settled_at and other.intended_at < one.settled_at",
        )
        assert overlaps == [(0,)]
