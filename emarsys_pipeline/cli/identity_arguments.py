"""What the commands about identities are given, and how it is read."""

from typing import Annotated

import typer

from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.identifiers import normalise_email, normalise_phone
from emarsys_pipeline.stages.stitched_identities.ledger import (
    Action,
    Contact,
    Decision,
    DecisionError,
    Identifier,
)

ContactArgument = Annotated[
    str,
    typer.Argument(metavar="CONTACT", help="emarsys:ACCOUNT:CONTACT_ID, or platform:CONTACT_ID."),
]
IdentifierArgument = Annotated[
    str, typer.Argument(metavar="IDENTIFIER", help="A phone number or an e-mail address.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the decision.")]
Author = Annotated[
    str | None,
    typer.Option("--author", help="Who decides; the user of this machine when left out."),
]
Preview = Annotated[
    bool, typer.Option("--preview", help="Show what it would do, and write nothing.")
]


def on_contacts(action: Action, one: str, other: str, author: str, reason: str) -> Decision:
    """A decision on two contacts, which are written as the argument says."""
    return Decision(
        action=action,
        author=author,
        reason=reason,
        contact=Contact.parse(one),
        other_contact=Contact.parse(other),
    )


def read_identifier(text: str, settings: Settings) -> Identifier:
    """The normalised identifier; a number without country code is of an account's region.

    Raises:
        DecisionError: it is neither a phone number nor an e-mail address.
    """
    address = normalise_email(text)
    if address is not None:
        return Identifier("email", address)
    for region in (None, *sorted({account.default_region for account in settings.accounts})):
        number = normalise_phone(text, region)
        if number is not None:
            return Identifier("phone", number)
    raise DecisionError(
        "the identifier is neither a valid phone number nor a valid e-mail address: write for "
        "example +4930123456 or desk@example.org"
    )
