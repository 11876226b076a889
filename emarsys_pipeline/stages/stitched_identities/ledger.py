"""The ledger of what people decided about identities: split, join, block, release, confirm, revoke.

One row per decision in identity_decisions, only ever added to. A decision holds from the newest
window that was stitched when it was made: the next run of that window or a later one obeys it, and
windows before keep their history. Of several decisions on one subject the newest
holds; ``revoke`` takes one back, and then an older one on its subject holds again.

Identifiers stand in the ledger as they are, since stitching compares them; nothing here logs them.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

import duckdb

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.warehouse import Warehouse, load_sql

Action = Literal["split", "join", "block", "release", "confirm", "revoke"]


class DecisionError(Exception):
    """A decision names something that does not exist, or says nothing."""


class Contact(NamedTuple):
    """A contact of either side; ``account`` is empty on the messaging side."""

    source: str
    account: str
    contact_id: str

    @classmethod
    def parse(cls, text: str) -> "Contact":
        """The contact written as source:account:contact_id, or platform:contact_id.

        Raises:
            DecisionError: the text has another form.
        """
        source, _, rest = text.partition(":")
        if source == "platform" and rest:
            return cls("platform", "", rest.removeprefix(":"))
        account, _, contact_id = rest.partition(":")
        if source != "emarsys" or not account or not contact_id:
            raise DecisionError(
                f"{text} names no contact: write emarsys:ACCOUNT:CONTACT_ID, for example "
                "emarsys:shop_de:700001, or platform:CONTACT_ID"
            )
        return cls(source, account, contact_id)

    def __str__(self) -> str:
        """The form that :meth:`parse` reads."""
        return ":".join(part for part in self if part)


class Identifier(NamedTuple):
    """A normalised phone number or e-mail address; masked wherever it is shown by itself."""

    kind: str
    value: str

    def __repr__(self) -> str:
        """The identifier without its value."""
        return f"Identifier({self.kind})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What somebody decided, before it is in the ledger.

    ``split`` and ``join`` are about two contacts, ``block`` and ``release`` about an identifier,
    ``confirm`` about an identifier, of one contact where ``contact`` is given, and ``revoke``
    about an earlier decision.
    """

    action: Action
    author: str
    reason: str
    contact: Contact | None = None
    other_contact: Contact | None = None
    identifier: Identifier | None = field(default=None, repr=False)
    revoked_decision_id: str | None = None


def add_decisions(
    warehouse: Warehouse,
    decisions: list[Decision],
    *,
    first_window_start: datetime,
    now: Callable[[], datetime] = utc_now,
) -> list[str]:
    """Add decisions to the ledger, all or none, and give their ids.

    Args:
        warehouse: where the ledger is; waits for a run that writes to it.
        decisions: what was decided.
        first_window_start: the first window of the settings, for a warehouse that was never
            stitched.
        now: the clock.

    Raises:
        DecisionError: a decision names a contact or a decision that does not exist, says no
            reason, or splits or joins a contact and itself.
    """
    with warehouse.write() as connection:
        for decision in decisions:
            check_decision(connection, decision)
        ((newest,),) = connection.execute(
            "select max(window_start) from identity_stitches"
        ).fetchall()
        return insert_decisions(
            connection,
            "identity_decisions",
            decisions,
            window_start=newest or first_window_start,
            decided_at=now(),
        )


def check_decision(connection: duckdb.DuckDBPyConnection, decision: Decision) -> None:
    """Refuse a decision that could not be obeyed.

    Raises:
        DecisionError: as :func:`add_decisions` says.
    """
    if not decision.author.strip() or not decision.reason.strip():
        raise DecisionError("a decision needs an author and a reason: say who decides, and why")
    if decision.contact is not None and decision.contact == decision.other_contact:
        raise DecisionError(f"{decision.contact} is one contact: name two different ones")
    for contact in (decision.contact, decision.other_contact):
        if (
            contact is not None
            and not connection.execute(
                "select 1 from identity_members where source = $source and account = $account"
                " and contact_id = $contact_id limit 1",
                contact._asdict(),
            ).fetchall()
        ):
            raise DecisionError(
                f"{contact} is not among the stitched contacts: look it up with "
                "emarsys-pipeline explain"
            )
    revoked = decision.revoked_decision_id
    if (
        revoked is not None
        and not connection.execute(
            "select 1 from identity_decisions where decision_id = $id and action <> 'revoke'"
            " and decision_id not in (select earlier.revoked_decision_id from identity_decisions"
            " as earlier where earlier.revoked_decision_id is not null)",
            {"id": revoked},
        ).fetchall()
    ):
        raise DecisionError(
            f"there is no decision {revoked} in force: list them with "
            "emarsys-pipeline identities decisions"
        )


def insert_decisions(
    connection: duckdb.DuckDBPyConnection,
    table: Literal["identity_decisions", "proposed_decisions"],
    decisions: list[Decision],
    *,
    window_start: datetime,
    decided_at: datetime,
) -> list[str]:
    """Insert decisions into the ledger, or into a preview's table; give their ids."""
    nobody = Contact("", "", "")
    made: list[str] = []
    for decision in decisions:
        contact, other = decision.contact or nobody, decision.other_contact or nobody
        identifier = decision.identifier or Identifier("", "")
        decision_id = f"d{secrets.token_hex(5)}"
        row = {
            "window_start": window_start,
            "decision_id": decision_id,
            "decided_at": decided_at,
            "action": decision.action,
            "author": decision.author.strip(),
            "reason": decision.reason.strip(),
            "has_contact": decision.contact is not None,
            "has_other": decision.other_contact is not None,
            "has_identifier": decision.identifier is not None,
            **contact._asdict(),
            **{f"other_{name}": value for name, value in other._asdict().items()},
            **identifier._asdict(),
            "revoked_decision_id": decision.revoked_decision_id,
        }
        connection.execute(load_sql(__package__, "add_decision.sql", table=table), row)
        made.append(decision_id)
    return made
