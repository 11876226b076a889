"""Everything the published copy tells of one person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import duckdb

from emarsys_pipeline.explain.links import Identifier, Link, spanning_links
from emarsys_pipeline.stages.identifiers import normalise_email, normalise_phone
from emarsys_pipeline.warehouse import Warehouse, load_sql

Row = TypeVar("Row", bound="Record | Decision | Delivery | Step")


class NotFoundError(Exception):
    """Nothing in the published copy goes by this name."""


class FoundRecord(NamedTuple):
    """A contact and the identity that it belongs to."""

    identity_id: str
    name: str


def record_name(source: str, account: str, contact_id: str) -> str:
    """A contact in words, without personal data."""
    side = f"Emarsys account {account}" if source == "emarsys" else "messaging side"
    return f"contact {contact_id} ({side})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One contact of the person; ``account`` is empty on the messaging side."""

    source: str
    account: str
    contact_id: str
    first_window_start: datetime
    phone_numbers: list[str] = field(repr=False)
    email_addresses: list[str] = field(repr=False)
    opt_in_value: str | None

    @property
    def name(self) -> str:
        """The contact in words, without personal data."""
        return record_name(self.source, self.account, self.contact_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One consent decision that speaks for the person."""

    event_id: str
    channel: str
    status: str
    occurred_at: datetime
    received_at: datetime
    source: str
    resolved_by: str
    is_deciding: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One opt-in value that had to reach Emarsys, and the state of its delivery."""

    account: str
    contact_id: str
    old_value: str | None
    new_value: str
    reason: str
    event_id: str
    derived_at: datetime
    outcome: str
    attempts: int
    settled_at: datetime | None
    http_status: int | None
    reply_code: str | None
    reply_text: str | None
    remedy: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step in the person's consent: a row of the view ``consent_history``, in its columns."""

    happened_at: datetime
    step_number: int
    step: str
    channel: str | None
    status: str | None
    reported_status: str | None
    source: str | None
    resolved_by: str | None
    occurred_at: datetime | None
    received_at: datetime | None
    event_id: str | None
    account: str | None
    contact_id: str | None
    delta_id: str | None
    attempt: int | None
    old_value: str | None
    value: str | None
    reason: str | None
    outcome: str | None
    http_status: int | None
    reply_code: str | None
    reply_text: str | None
    left_identity_id: str | None
    joined_identity_id: str | None

    @property
    def words(self) -> str:
        """What happened, in a line."""
        contact = f"{self.account} {self.contact_id}"
        if self.step in {"merge", "split"}:
            return (
                f"contacts moved from identity {self.left_identity_id} to {self.joined_identity_id}"
            )
        if self.step == "decision":
            origin = f"by {self.source} (event {self.event_id})"
            return f"{self.reported_status} for {self.channel}, {origin}"
        if self.step == "delta":
            before = self.old_value or "nothing"
            return f"{contact} must show {self.value} instead of {before}: {self.reason}"
        if self.step == "drift":
            return f"{contact} showed {self.old_value or 'nothing'} instead of {self.value}"
        if self.step == "request":
            return f"{self.value} sent for {contact}, attempt {self.attempt}"
        if self.step == "supersession":
            return f"{self.value} for {contact} was not sent: a newer value came"
        reply = " ".join(
            str(part) for part in (self.http_status, self.reply_code, self.reply_text) if part
        )
        said = f" ({reply})" if reply else ""
        if self.step == "silence":
            return f"no answer about {contact}{said}; it is read back"
        verb = "confirmed" if self.step == "confirmation" else "refused"
        return f"Emarsys {verb} {self.value} for {contact}{said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One person: records, what joins them, decisions and deliveries, each oldest first.

    ``history`` holds every step in order: decisions, deltas, requests, answers, merges, splits.

    ``retired_ids`` are ids of identities that were merged into this one.
    """

    identity_id: str
    retired_ids: list[str]
    records: list[Record]
    links: list[Link]
    decisions: list[Decision]
    deliveries: list[Delivery]
    history: list[Step]


def explain(warehouse: Warehouse, name: str, *, regions: Sequence[str] = ()) -> Explanation:
    """Explain the person that a name stands for.

    Args:
        warehouse: its published copy is read.
        name: an identity id (a retired one as well), a phone number, an e-mail address, or a
            contact id of either side.
        regions: ISO countries to try for a phone number without a country code.

    Raises:
        NotFoundError: nobody goes by this name, or several persons do.
    """
    with warehouse.read_published() as connection:
        identity_id = _find(connection, name, regions)
        parameters = {"identity_id": identity_id}
        records = _rows(connection, Record, "records.sql", parameters)
        retired = connection.execute(
            "select retired_identity_id from identity_aliases where identity_id = $identity_id"
            " order by window_start, retired_identity_id",
            parameters,
        ).fetchall()
        return Explanation(
            identity_id=identity_id,
            retired_ids=[retired_id for (retired_id,) in retired],
            records=records,
            links=spanning_links(linking_identifiers(connection, identity_id)),
            decisions=_rows(connection, Decision, "decisions.sql", parameters),
            deliveries=_rows(connection, Delivery, "deliveries.sql", parameters),
            history=_rows(connection, Step, "history.sql", parameters),
        )


def linking_identifiers(
    connection: duckdb.DuckDBPyConnection, identity_id: str
) -> dict[str, list[Identifier]]:
    """What links each record of an identity to others, in the order that decides its id.

    Names of records are those of :attr:`Record.name`; identifiers that a guard or a decision holds
    back are left out, and joins are there with the ids of their decisions.
    """
    held: dict[str, list[Identifier]] = {
        record.name: []
        for record in _rows(connection, Record, "records.sql", {"identity_id": identity_id})
    }
    rows = connection.execute(
        "select source, account, contact_id, kind, value from identity_links"
        " where identity_id = $identity_id order by kind = 'join', kind desc, value",
        {"identity_id": identity_id},
    ).fetchall()
    for source, account, contact_id, kind, value in rows:
        held[record_name(source, account, contact_id)].append((kind, value))
    return held


def find_record(
    connection: duckdb.DuckDBPyConnection, name: str, regions: Sequence[str]
) -> FoundRecord:
    """The contact that a name stands for: the first of an identity, unless it names one itself.

    Raises:
        NotFoundError: nobody goes by this name, or several persons do.
    """
    identity_id = _find(connection, name, regions)
    records = _rows(connection, Record, "records.sql", {"identity_id": identity_id})
    numbers = {normalise_phone(name, region) for region in (None, *regions)}
    address = normalise_email(name)
    for record in records:
        full_name = ":".join(
            part for part in (record.source, record.account, record.contact_id) if part
        )
        if (
            name in {record.contact_id, full_name}
            or numbers.intersection(record.phone_numbers)
            or address in record.email_addresses
        ):
            return FoundRecord(identity_id, record.name)
    return FoundRecord(identity_id, records[0].name)


def _find(connection: duckdb.DuckDBPyConnection, name: str, regions: Sequence[str]) -> str:
    numbers = {normalise_phone(name, region) for region in (None, *regions)}
    rows = connection.execute(
        load_sql(__package__, "find_identity.sql"),
        {
            "name": name,
            "phone_numbers": sorted(number for number in numbers if number is not None),
            "email_address": normalise_email(name) or "",
        },
    ).fetchall()
    if not rows:
        raise NotFoundError(
            "nobody in the published copy goes by this name: give an identity id, a contact id, a "
            "phone number with its country code, or an e-mail address of a stitched contact"
        )
    if len(rows) > 1:
        found = ", ".join(identity_id for (identity_id,) in rows[:5])
        raise NotFoundError(
            f"several persons go by this name: give one of the identity ids {found}"
        )
    return str(rows[0][0])


def _rows(
    connection: duckdb.DuckDBPyConnection,
    kind: type[Row],
    file: str,
    parameters: Mapping[str, Any],
) -> list[Row]:
    rows = connection.execute(load_sql(__package__, file), dict(parameters)).fetchall()
    return [kind(**dict(zip(kind.__slots__, row, strict=True))) for row in rows]
