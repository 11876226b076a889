"""Persons in a warehouse whose golden records are told to the sandbox's messaging platform."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.messaging import MessagingClient
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.settings import MessagingHttpSettings, SecretReference, StitchingSettings
from emarsys_pipeline.stages.contact_upsert_pushes import (
    ContactUpsertsPushed,
    make_refresh,
    push_contact_upserts,
)
from emarsys_pipeline.stages.contact_upserts import ContactUpsertsDerived, derive_contact_upserts
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline.warehouse.columns import ensure_property_columns
from emarsys_pipeline_tests.builders import add_contact, window
from emarsys_pipeline_tests.stages.deciding import rows
from emarsys_pipeline_tests.warehouses import Warehouse

PUT = "PUT platform/contacts"
TYPES = {"city": "varchar", "first_name": "varchar", "score": "double", "tags": "varchar[]"}
QUICK = MessagingHttpSettings(
    url="http://127.0.0.1:9",
    secret=SecretReference("MESSAGING_KEY"),
    batch_size=4,
    parallel_requests=2,
    settle_after_seconds=0,
    retry_base_seconds=20,
)


def add_person(
    connection: duckdb.DuckDBPyConnection,
    contact_id: str,
    *,
    number: int = 0,
    phones: Sequence[str] = (),
    emails: Sequence[str] = (),
    **properties: object,
) -> None:
    """An Emarsys contact with properties, as mapping leaves it."""
    ensure_property_columns(connection, TYPES)
    add_contact(
        connection,
        contact_id,
        number=number,
        phones=phones,
        emails=emails,
        properties=properties,
    )


def stitch(warehouse: Warehouse, number: int = 0) -> None:
    """Stitch a window, golden records included."""
    stitch_identities(
        warehouse, window(number), stitching=StitchingSettings(), property_types=TYPES, run_id="run"
    )


def derive(warehouse: Warehouse, **changes: Any) -> ContactUpsertsDerived:
    """Derive what is missing."""
    return derive_contact_upserts(
        warehouse, **{"accounts": (), "properties": TYPES, "run_id": "run", **changes}
    )


def push_with(
    warehouse: Warehouse,
    client: MessagingClient,
    http: MessagingHttpSettings = QUICK,
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = lambda _: None,
) -> ContactUpsertsPushed:
    """One drain, as a run does it."""
    return push_contact_upserts(
        warehouse,
        client,
        http,
        identifying=("mobile", "email"),
        run_id="run",
        refresh=make_refresh(accounts=(), properties=TYPES, run_id="run"),
        now=now,
        sleep=sleep,
    )


def phone_of(contact_id: str) -> str:
    """A fictional number that only this contact has."""
    return f"+4915{int(contact_id) % 10**9:09d}"


@dataclass
class Crowd:
    """Some persons of one Emarsys contact each, and the platform that is to know them."""

    warehouse: Warehouse
    sandbox: Sandbox
    client: MessagingClient
    size: int
    prefix: int
    number: int = 0
    minutes: float = 0
    log_start: int = 0

    @classmethod
    def make(cls, warehouse: Warehouse, sandbox: Sandbox, size: int, directory: Path) -> "Crowd":
        """Persons that no other test has; the directory's name tells them apart."""
        prefix = zlib.crc32(str(directory).encode()) % 10**6
        client = MessagingClient(sandbox.platform_url, sandbox.platform_key, timeout_seconds=2)
        made = cls(warehouse, sandbox, client, size, prefix)
        made.log_start = max((row["sequence"] for row in sandbox.platform_upserts()), default=0)
        made.move("Graz")
        return made

    @property
    def contact_ids(self) -> list[str]:
        """Their Emarsys contacts."""
        return [f"{self.prefix}{position:03d}" for position in range(self.size)]

    def move(self, city: str | None, contact_ids: list[str] | None = None) -> None:
        """Let these, or all, be imported with another city in a window of its own, and stitch."""
        with self.warehouse.write() as connection:
            for each in self.contact_ids if contact_ids is None else contact_ids:
                add_person(connection, each, number=self.number, phones=[phone_of(each)], city=city)
        stitch(self.warehouse, self.number)
        self.number += 1

    def push(self, **changes: Any) -> ContactUpsertsPushed:
        """One drain, ``minutes`` after now, so that a test need not wait for a retry."""
        return push_with(
            self.warehouse,
            self.client,
            QUICK.model_copy(update=changes),
            lambda: utc_now() + timedelta(minutes=self.minutes),
        )

    def attempts(self) -> list[tuple[Any, ...]]:
        """All attempts in order: operation, attempt, outcome, retryable, HTTP status."""
        return rows(
            self.warehouse,
            "select operation, pushes.attempt, outcome, is_retryable, http_status"
            " from contact_upsert_pushes as pushes"
            " join contact_upserts using (upsert_id)"
            " order by intended_at, pushes.identity_id, attempt, outcome",
        )

    def outcomes(self) -> Mapping[str, int]:
        """How many upserts stand where."""
        return dict(
            rows(
                self.warehouse,
                "select outcome, count(*) from contact_upsert_deliveries group by outcome",
            )
        )

    def identity_of(self, contact_id: str) -> str:
        """The person that a contact belongs to."""
        ((identity_id,),) = rows(
            self.warehouse,
            f"select identity_id from identity_members where contact_id = '{contact_id}'",  # noqa: S608
        )
        return str(identity_id)

    def told(self) -> list[tuple[str, str | None]]:
        """What the platform applied since, in order: reference and city."""
        return [
            (row["external_reference_id"], row["body"]["custom_properties"].get("city"))
            for row in self.sandbox.platform_upserts(self.log_start)
        ]

    def assert_settled(self) -> None:
        """The platform holds every golden record as it is, and went through no older one."""
        golden = rows(
            self.warehouse,
            "select identity_id, phone_numbers, email_addresses, city from identities",
        )
        held = self.sandbox.platform_profiles()
        assert [
            (
                identity_id,
                held[identity_id]["phone_numbers"],
                held[identity_id]["email_addresses"],
                held[identity_id]["custom_properties"].get("city"),
            )
            for identity_id, *_ in golden
        ] == golden
        by_person: dict[str, list[str | None]] = {}
        for identity_id, city in self.told():
            by_person.setdefault(identity_id, []).append(city)
        for cities in by_person.values():
            assert cities == sorted(cities, key=str), "a superseded content was sent"
        assert set(self.outcomes()) <= {"accepted", "superseded"}

    def assert_one_request_at_a_time(self) -> None:
        """The platform was never asked about a person while it answered about the same one."""
        applied = self.sandbox.platform_upserts(self.log_start)
        assert applied
        assert not any(row["is_overlapping"] for row in applied)
