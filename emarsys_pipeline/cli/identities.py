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
from emarsys_pipeline.cli.identity_arguments import (
    Author,
    ContactArgument,
    IdentifierArgument,
    Preview,
    Reason,
    on_contacts,
    read_identifier,
)
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.published import published_warehouse
from emarsys_pipeline.cli.terminal import errors, working
from emarsys_pipeline.settings import Settings, load_settings
from emarsys_pipeline.stages.stitched_identities.ledger import (
    Action,
    Contact,
    Decision,
    DecisionError,
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
        return [on_contacts("split", contact, other, author, reason)]

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
        return [on_contacts("join", contact, other, author, reason)]

    _decide(made, author, config, is_preview=preview, as_json=as_json)


def _add_decision_on_identifiers(action: Action, about: str, example: str) -> None:
    """Add the command of a decision on an identifier; the example's arguments go into its help."""

    @app.command(
        action, help=about, epilog=f"Example: `emarsys-pipeline identities {action} {example}`"
    )
    def decide(
        *,
        identifier: IdentifierArgument,
        reason: Reason,
        author: Author = None,
        preview: Preview = False,
        config: Config = None,
        as_json: AsJson = False,
    ) -> None:
        def made(settings: Settings, author: str) -> list[Decision]:
            named = read_identifier(identifier, settings)
            contacts: list[Contact | None] = [None]
            if action == "confirm":
                with published_warehouse(settings).read_published() as connection:
                    contacts = contacts_held_back(connection, named)
            return [
                Decision(
                    action=action, author=author, reason=reason, identifier=named, contact=contact
                )
                for contact in contacts
            ]

        _decide(made, author, config, is_preview=preview, as_json=as_json)


_add_decision_on_identifiers(
    "block",
    "Let a phone number or e-mail address link nobody.",
    "+493012345 --reason 'number of a store'",
)
_add_decision_on_identifiers(
    "release",
    "Let a phone number or e-mail address link all its contacts, whatever guard held it back.",
    "family@example.org --reason 'one person with many accounts'",
)
_add_decision_on_identifiers(
    "confirm",
    """
    Agree that an identifier is held back: it stays so, even if a guard would let it link later.

    Where it links others and is held back for single contacts, those stay without it.
    """,
    "+493012345 --reason 'an office line indeed'",
)


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
                    identifier=read_identifier(text, settings),
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
        warehouse.prepare()
        ids = add_decisions(warehouse, decided, first_window_start=settings.windows.grid.start)
    warehouse.publish_pending(at_once=True)
    if as_json:
        tell_json({"decision_ids": ids})
        return
    for decision_id in ids:
        tell_line(f"recorded: decision {decision_id}")
    tell_line("the next run of stitched_identities obeys; take it back with identities revoke")


@contextmanager
def _told() -> Iterator[None]:
    """Tell a decision that cannot be obeyed as an error, with exit code 1."""
    try:
        yield
    except DecisionError as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
