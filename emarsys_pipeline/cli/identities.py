"""``emarsys-pipeline identities``: what people decide about identities, and what it would do."""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from emarsys_pipeline.cli.answers import tell_json, tell_line
from emarsys_pipeline.cli.identity_answers import (
    tell_decisions,
    tell_preview,
    tell_quarantine,
)
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.published import published_warehouse
from emarsys_pipeline.cli.terminal import errors, working
from emarsys_pipeline.settings import Settings, load_settings
from emarsys_pipeline.stages.identifiers import normalise_email, normalise_phone
from emarsys_pipeline.stages.stitched_identities.ledger import (
    Action,
    Contact,
    Decision,
    DecisionError,
    Identifier,
    add_decisions,
)
from emarsys_pipeline.stages.stitched_identities.preview import preview_identities
from emarsys_pipeline.stages.stitched_identities.quarantine import contacts_held_back

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Split, join, block and release identities; see what is held back.\n\n"
        "A decision is kept with author, reason and time. The next run of stitched_identities "
        "obeys it, and so does every later one, until it is revoked."
    ),
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


@app.command(
    "split",
    epilog="Example: `emarsys-pipeline identities split emarsys:shop_de:700001 "
    "--from emarsys:shop_de:700002 --reason 'two people, one phone'`",
)
def split(
    *,
    contact: ContactArgument,
    other: Annotated[
        str, typer.Option("--from", metavar="CONTACT", help="The contact that it is not.")
    ],
    reason: Reason,
    author: Author = None,
    preview: Preview = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Keep two contacts apart, whatever they share.

    The other contacts of the identity go to the one that is nearer by shared identifiers; what is
    equally near stays with the contact after --from. Consent is derived again for each side.
    """

    def made(_: Settings, author: str) -> list[Decision]:
        return [_on_contacts("split", contact, other, author, reason)]

    _decide(made, author, config, is_preview=preview, as_json=as_json)


@app.command(
    "join",
    epilog="Example: `emarsys-pipeline identities join emarsys:shop_de:700001 "
    "platform:pc_1 --reason 'confirmed by phone'`",
)
def join(
    *,
    contact: ContactArgument,
    other: ContactArgument,
    reason: Reason,
    author: Author = None,
    preview: Preview = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make two contacts one person, though they share nothing, or a guard keeps them apart."""

    def made(_: Settings, author: str) -> list[Decision]:
        return [_on_contacts("join", contact, other, author, reason)]

    _decide(made, author, config, is_preview=preview, as_json=as_json)


@app.command(
    "block",
    epilog="Example: `emarsys-pipeline identities block +493012345 --reason 'number of a store'`",
)
def block(
    *,
    identifier: IdentifierArgument,
    reason: Reason,
    author: Author = None,
    preview: Preview = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let a phone number or e-mail address link nobody."""

    def made(settings: Settings, author: str) -> list[Decision]:
        named = _identifier(identifier, settings)
        return [Decision(action="block", author=author, reason=reason, identifier=named)]

    _decide(made, author, config, is_preview=preview, as_json=as_json)


@app.command(
    "release",
    epilog="Example: `emarsys-pipeline identities release family@example.org "
    "--reason 'one person with many accounts'`",
)
def release(
    *,
    identifier: IdentifierArgument,
    reason: Reason,
    author: Author = None,
    preview: Preview = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let a phone number or e-mail address link all its contacts, whatever guard held it back."""

    def made(settings: Settings, author: str) -> list[Decision]:
        named = _identifier(identifier, settings)
        return [Decision(action="release", author=author, reason=reason, identifier=named)]

    _decide(made, author, config, is_preview=preview, as_json=as_json)


@app.command(
    "confirm",
    epilog="Example: `emarsys-pipeline identities confirm +493012345 "
    "--reason 'an office line indeed'`",
)
def confirm(
    *,
    identifier: IdentifierArgument,
    reason: Reason,
    author: Author = None,
    preview: Preview = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Agree that an identifier is held back: it stays so, even if a guard would let it link later.

    Where it links others and is held back for single contacts, those stay without it.
    """

    def made(settings: Settings, author: str) -> list[Decision]:
        named = _identifier(identifier, settings)
        with published_warehouse(settings).read_published() as connection:
            contacts = contacts_held_back(connection, named)
        return [
            Decision(
                action="confirm", author=author, reason=reason, identifier=named, contact=contact
            )
            for contact in contacts
        ]

    _decide(made, author, config, is_preview=preview, as_json=as_json)


@app.command(
    "revoke",
    epilog="Example: `emarsys-pipeline identities revoke d0123456789 --reason 'was a mistake'`",
)
def revoke(
    *,
    decision_id: Annotated[
        str, typer.Argument(metavar="DECISION", help="Its id, from identities decisions.")
    ],
    reason: Reason,
    author: Author = None,
    preview: Preview = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take a decision back; an older one on the same subject holds again."""

    def made(_: Settings, author: str) -> list[Decision]:
        return [
            Decision(action="revoke", author=author, reason=reason, revoked_decision_id=decision_id)
        ]

    _decide(made, author, config, is_preview=preview, as_json=as_json)


@app.command("decisions", epilog="Example: `emarsys-pipeline identities decisions --json`")
def decisions(*, config: Config = None, as_json: AsJson = False) -> None:
    """List all decisions, oldest first, and whether each is in force."""
    with published_warehouse(load_settings(config)).read_published() as connection:
        tell_decisions(connection, as_json=as_json)


@app.command("quarantine", epilog="Example: `emarsys-pipeline identities quarantine --limit 5`")
def quarantine(
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many rows to show.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List identifiers that are held back and why: those without a decision and shared most first.

    Then **release** or **confirm** them.
    """
    with published_warehouse(load_settings(config)).read_published() as connection:
        tell_quarantine(connection, limit=limit, as_json=as_json)


@app.command(
    "preview", epilog="Example: `emarsys-pipeline identities preview --max-contacts-per-identity 8`"
)
def preview(
    *,
    identifier_cap: Annotated[
        int | None,
        typer.Option("--max-contacts-per-identifier", min=2, help="Another value of the setting."),
    ] = None,
    identity_cap: Annotated[
        int | None,
        typer.Option("--max-contacts-per-identity", min=2, help="Another value of the setting."),
    ] = None,
    conflict: Annotated[
        str | None,
        typer.Option("--messaging-conflict", help="quarantine, phone, email or merge."),
    ] = None,
    blocked: Annotated[
        list[str] | None,
        typer.Option("--block", metavar="IDENTIFIER", help="Block it; may be repeated."),
    ] = None,
    released: Annotated[
        list[str] | None,
        typer.Option("--release", metavar="IDENTIFIER", help="Release it; may be repeated."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show what other settings would do to identities: merges, splits, sizes. Writes nothing.

    For what a decision would do, give the decision with --preview.
    """
    settings = load_settings(config)
    given = {
        "max_contacts_per_identifier": identifier_cap,
        "max_contacts_per_identity": identity_cap,
        "messaging_conflict": conflict,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    if conflict not in {None, "quarantine", "phone", "email", "merge"}:
        raise typer.BadParameter(
            "write quarantine, phone, email or merge", param_hint="--messaging-conflict"
        )
    tried: list[tuple[Action, str]] = [
        *(("block", text) for text in blocked or ()),
        *(("release", text) for text in released or ()),
    ]
    with _told(), working("stitching without writing"):
        found = preview_identities(
            published_warehouse(settings),
            stitching=settings.stitching,
            proposed_stitching=settings.stitching.model_copy(update=changed),
            decisions=[
                Decision(
                    action=action,
                    author="preview",
                    reason="preview",
                    identifier=_identifier(text, settings),
                )
                for action, text in tried
            ],
        )
    tell_preview(found, as_json=as_json)


def _decide(
    made: Callable[[Settings, str], list[Decision]],
    author: str | None,
    config: Path | None,
    *,
    is_preview: bool,
    as_json: bool,
) -> None:
    settings = load_settings(config)
    warehouse = published_warehouse(settings)
    with _told():
        decided = made(settings, author or getpass.getuser())
        if is_preview:
            with working("stitching without writing"):
                found = preview_identities(
                    warehouse, stitching=settings.stitching, decisions=decided
                )
            tell_preview(found, as_json=as_json)
            return
        warehouse.migrate()
        ids = add_decisions(warehouse, decided, first_window_start=settings.windows.grid.start)
    warehouse.publish_pending(at_once=True)
    if as_json:
        tell_json({"decision_ids": ids})
        return
    for decision_id in ids:
        tell_line(f"recorded: decision {decision_id}")
    tell_line("the next run of stitched_identities obeys; take it back with identities revoke")


def _on_contacts(action: Action, one: str, other: str, author: str, reason: str) -> Decision:
    return Decision(
        action=action,
        author=author,
        reason=reason,
        contact=Contact.parse(one),
        other_contact=Contact.parse(other),
    )


def _identifier(text: str, settings: Settings) -> Identifier:
    """The normalised identifier; a number without country code is of an account's region."""
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


@contextmanager
def _told() -> Iterator[None]:
    """Tell a decision that cannot be obeyed as an error, with exit code 1."""
    try:
        yield
    except DecisionError as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
