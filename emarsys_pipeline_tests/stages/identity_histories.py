"""Random windows of both sides, small enough that the same identifiers meet again and again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.builders import add_consent, add_contact, add_platform_contact

# Low limits, so that every guard acts in a history of some twenty contacts.
TIGHT = StitchingSettings(
    max_contacts_per_identifier=4,
    max_contacts_per_identity=5,
    blocked_identifiers=("+49300", "desk@example.org"),
)
PHONES = tuple(f"+4930{n}" for n in range(12))
EMAILS = ("desk@example.org", *(f"p{n}@example.org" for n in range(11)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one contact holds since a window."""

    number: int
    contact_id: str
    is_platform: bool
    operation: str
    phones: list[str] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)


def random_history(seed: int, *, windows: int, contacts: int, changes: int) -> list[Change]:
    """Changes in the order of their windows; at most one per contact and window."""
    random = Random(seed)  # noqa: S311 - a history, not a secret
    known: set[str] = set()
    history: list[Change] = []
    for number in range(windows):
        for contact in sorted(random.sample(range(contacts), changes)):
            is_platform = contact % 4 == 3
            contact_id = f"{'p' if is_platform else 'c'}{contact}"
            most = 1 if is_platform else 2
            history.append(
                Change(
                    number=number,
                    contact_id=contact_id,
                    is_platform=is_platform,
                    operation="changed" if contact_id in known else "new",
                    phones=random.sample(PHONES, random.randint(0, most)),
                    emails=random.sample(EMAILS, random.randint(0, most)),
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
