"""Random windows of both sides, small enough that the same identifiers meet again and again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.mapped_contacts.current import derive_current
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.builders import (
    add_consent,
    add_contact,
    add_platform_contact,
    window,
)

# Low limits, so that every guard acts in a history of some twenty contacts.
TIGHT = StitchingSettings(
    max_contacts_per_identifier=4,
    max_contacts_per_identity=5,
    blocked_identifiers=("+49300", "desk@example.org"),
)


def phones(number: int) -> tuple[str, ...]:
    """So many phone numbers, the first of them blocked by the settings."""
    return tuple(f"+4930{n}" for n in range(number))


def emails(number: int) -> tuple[str, ...]:
    """So many addresses, the first of them blocked by the settings."""
    return ("desk@example.org", *(f"p{n}@example.org" for n in range(number - 1)))


PHONES = phones(12)
EMAILS = emails(12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one contact holds since a window."""

    number: int
    contact_id: str
    is_platform: bool
    operation: str
    phones: list[str] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)


def random_history(
    seed: int,
    *,
    windows: int,
    contacts: int,
    changes: int,
    first_changes: int | None = None,
    identifiers: int = 12,
) -> list[Change]:
    """Changes in the order of their windows; at most one per contact and window.

    Args:
        seed: of the random choices.
        windows: how many.
        contacts: of both sides together, every fourth on the messaging side.
        changes: per window.
        first_changes: in the first window; None for as many as in each.
        identifiers: so many phone numbers, and as many addresses.
    """
    random = Random(seed)  # noqa: S311 - a history, not a secret
    known: set[str] = set()
    history: list[Change] = []
    for number in range(windows):
        so_many = changes if number or first_changes is None else first_changes
        for contact in sorted(random.sample(range(contacts), so_many)):
            is_platform = contact % 4 == 3
            contact_id = f"{'p' if is_platform else 'c'}{contact}"
            most = 1 if is_platform else 2
            history.append(
                Change(
                    number=number,
                    contact_id=contact_id,
                    is_platform=is_platform,
                    operation="changed" if contact_id in known else "new",
                    phones=random.sample(phones(identifiers), random.randint(0, most)),
                    emails=random.sample(emails(identifiers), random.randint(0, most)),
                )
            )
            known.add(contact_id)
    return history


def add_changes(warehouse: Warehouse, changes: Sequence[Change]) -> None:
    """Store changes as mapping and ingestion leave them, and a decision for each new identifier."""
    with warehouse.write() as connection:
        for change in changes:
            if change.is_platform:
                add_platform_contact(
                    connection,
                    change.contact_id,
                    number=change.number,
                    phone=change.phones[0] if change.phones else None,
                    email=change.emails[0] if change.emails else None,
                )
            else:
                add_contact(
                    connection,
                    change.contact_id,
                    number=change.number,
                    phones=change.phones,
                    emails=change.emails,
                    operation=change.operation,
                )


def add_decisions(warehouse: Warehouse) -> None:
    """One consent event per identifier, known by nothing else."""
    with warehouse.write() as connection:
        for number, phone in enumerate(PHONES):
            add_consent(connection, f"phone{number}", "granted", phone=phone)
        for number, email in enumerate(EMAILS):
            add_consent(connection, f"email{number}", "granted", email=email)


def leave(warehouse: Warehouse, contact_id: str, number: int) -> None:
    """Let an Emarsys contact leave its segment in a window, as mapping stores it."""
    parameters = {"contact_id": contact_id, "start": window(number).start}
    with warehouse.write() as connection:
        connection.execute(
            "insert into mapped_contacts by name select account, segment_id,"
            " $start::timestamptz as window_start, contact_id, 'left' as operation,"
            " []::varchar[] as changed_fields, []::varchar[] as phone_numbers,"
            " []::varchar[] as email_addresses, requested_at, run_id, loaded_at"
            " from mapped_contacts where contact_id = $contact_id and window_start < $start"
            " order by window_start desc limit 1",
            parameters,
        )
        connection.execute(
            "create temp table touched_contacts as select $contact_id as contact_id,"
            " false as is_newest",
            {"contact_id": contact_id},
        )
        derive_current(connection, "shop_de")
        connection.execute("drop table touched_contacts")


def erase(warehouse: Warehouse, contact_id: str) -> None:
    """Leave of an Emarsys contact what an erasure leaves: a member without data."""
    with warehouse.write() as connection:
        connection.execute(
            "insert into erased_members by name select stitched.window_start, source, account,"
            " 'erased ' || contact_id as member_id, members.first_window_start,"
            " stitched.identity_id from stitched_identities as stitched"
            " inner join identity_members as members using (source, account, contact_id)"
            " where contact_id = $contact_id",
            {"contact_id": contact_id},
        )
        for table in ("identity_members", "former_members"):
            connection.execute(
                f"update {table} set contact_id = 'erased ' || contact_id"  # noqa: S608 - of two
                " where contact_id = $contact_id",
                {"contact_id": contact_id},
            )
        for table in ("mapped_contacts", "current_contacts"):
            connection.execute(
                f"delete from {table} where contact_id = $contact_id",  # noqa: S608 - of two
                {"contact_id": contact_id},
            )
