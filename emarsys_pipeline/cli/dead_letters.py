"""``emarsys-pipeline opt-in dead-letters`` and ``replay``: what Emarsys refused for good."""

from dataclasses import asdict
from datetime import UTC
from typing import Annotated

import typer

from emarsys_pipeline.cli.answers import tell_json, tell_line, tell_table
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.terminal import errors
from emarsys_pipeline.settings import Settings, load_settings
from emarsys_pipeline.stages.opt_in_pushes import (
    DeadLetter,
    NoSuchDeadLetterError,
    dead_letters,
    replay_dead_letters,
)
from emarsys_pipeline.storage import open_warehouse
from emarsys_pipeline.warehouse import Warehouse


def list_dead_letters(*, config: Config = None, as_json: AsJson = False) -> None:
    """List opt-in values that Emarsys refused for good, each with what to do about it.

    Reads the published copy; waits for nobody. A value that a newer decision has replaced is not
    listed.

    Example: **emarsys-pipeline opt-in dead-letters --json**
    """
    warehouse = _warehouse(load_settings(config))
    with warehouse.read_published() as connection:
        letters = dead_letters(connection)
    if as_json:
        tell_json([_document(letter) for letter in letters])
        return
    if not letters:
        tell_line("no dead letters: Emarsys refused no opt-in value for good")
        return
    tell_table(
        f"{len(letters):,} opt-in values refused for good",
        ["delta", "account", "contact", "value", "HTTP", "reply", "Emarsys's text", "what to do"],
        [
            [
                letter.delta_id,
                letter.account,
                letter.contact_id,
                letter.value,
                letter.http_status,
                letter.reply_code,
                letter.reply_text,
                letter.remedy,
            ]
            for letter in letters
        ],
    )
    tell_line("Remove the cause, then: emarsys-pipeline opt-in replay --all")


def replay(
    *,
    deltas: Annotated[
        list[str] | None,
        typer.Option(
            "--delta",
            metavar="ID",
            help="Delta to send again, as `opt-in dead-letters` names it; may be repeated.",
            show_default=False,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Send all dead letters again.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Send dead letters again, through the outbox: the next look of the opt-in sensor sends them.

    What was refused stays on record, and asking twice sends once.

    Example: **emarsys-pipeline opt-in replay --all**
    """
    if everything == bool(deltas):
        raise typer.BadParameter("name deltas, or all of them", param_hint="--delta or --all")
    warehouse = _warehouse(load_settings(config))
    warehouse.prepare()
    try:
        count = replay_dead_letters(warehouse, None if everything else deltas)
    except NoSuchDeadLetterError as error:
        errors.print(
            f"error: {error}; emarsys-pipeline opt-in dead-letters lists them", markup=False
        )
        raise typer.Exit(1) from error
    warehouse.publish_pending(at_once=True)
    if as_json:
        tell_json({"replayed": count})
    elif count:
        tell_line(f"{count:,} values are due again; the next look of the opt-in sensor sends them")
    else:
        tell_line("nothing to send again: no dead letters")


def _warehouse(settings: Settings) -> Warehouse:
    warehouse = open_warehouse(settings)
    if not warehouse.is_published:
        errors.print(
            "[red]error:[/red] nothing has been imported yet: start with emarsys-pipeline ui"
        )
        raise typer.Exit(1)
    return warehouse


def _document(letter: DeadLetter) -> dict[str, object]:
    settled_at = f"{letter.settled_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {**asdict(letter), "settled_at": settled_at}
