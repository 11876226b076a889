"""``emarsys-pipeline contacts``: what is held on a person, given out or erased."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from emarsys_pipeline.cli.answers import tell_json, tell_table
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.terminal import console, errors, working
from emarsys_pipeline.privacy.erase import (
    Erased,
    Home,
    LeftoverError,
    UnclassifiedError,
    erase,
    look_up,
    resume,
    search_everything,
    search_for,
)
from emarsys_pipeline.privacy.export import export_person
from emarsys_pipeline.privacy.readmit import readmit
from emarsys_pipeline.privacy.search import Finding
from emarsys_pipeline.privacy.subject import PersonNotFoundError
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline.storage import open_warehouse

contacts_app = typer.Typer(
    no_args_is_help=True, help="What is held on a person: find it, give it out, erase it."
)
Person = Annotated[
    str, typer.Argument(help="A contact id, phone number, e-mail address or identity id.")
]


@contacts_app.command("erase")
def erase_person(
    *,
    name: Person,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Erase a person from everything that is stored here, for good.

    Covers all contacts of the person in all accounts and on the messaging side, imports, messages,
    decisions, deliveries, files, logs and the analysts' copy; then searches all of it and fails if
    anything is left. Keyed hashes stay and keep the person from being imported again. Contacts in
    Emarsys and on the messaging side are not touched: erase them there too.

    Killed on the way, the next **contacts erase** or **contacts resume** finishes it.

    Example: **emarsys-pipeline contacts erase +491700000001**
    """
    with _home(config) as home:
        subject = look_up(home, name)
        if not yes:
            with working("looking for the person in everything that is stored"):
                found = search_for(home, subject)
            _tell_findings("Held on this person", found)
            console.print(
                f"{len(subject.contacts)} contacts, {len(subject.identifiers)} identifiers; "
                f"{subject.shared} further identifiers belong to others as well and stay with them"
            )
            typer.confirm("Erase for good?", abort=True)
        with working("erasing, rewriting files, and searching all of them again"):
            done = erase(home, subject)
    _tell_erased([done], as_json=as_json)


@contacts_app.command("resume")
def resume_erasures(*, config: Config = None, as_json: AsJson = False) -> None:
    """Finish erasures that were cut off; without any, do nothing.

    Example: **emarsys-pipeline contacts resume**
    """
    with _home(config) as home, working("finishing erasures"):
        done = resume(home)
    _tell_erased(done, as_json=as_json)


@contacts_app.command("search")
def search(
    *,
    texts: Annotated[list[str], typer.Argument(help="Texts to look for, in any case.")],
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="A value to find as a whole; repeatable.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Look for texts in every database, table, file and byte of the home.

    Opens each database and Parquet file and compares every cell, then the bytes of all files. Exit
    code 1 if anything is found, 0 if nothing is: the proof that an erasure left nothing.

    Example: **emarsys-pipeline contacts search 491700000001 person@example.org**
    """
    with _home(config) as home, working("searching everything that is stored"):
        findings = search_everything(home, [text.lower() for text in texts], ids or [])
    if as_json:
        tell_json([asdict(each) for each in findings])
    else:
        _tell_findings("Found", findings)
    if findings:
        raise typer.Exit(1)


@contacts_app.command("export")
def export(
    *,
    name: Person,
    output: Annotated[
        Path | None, typer.Option(help="File to write; without it, standard output.")
    ] = None,
    config: Config = None,
) -> None:
    """Write everything that is held on a person as JSON: each row of each table, each message.

    Example: **emarsys-pipeline contacts export person@example.org --output person.json**
    """
    with _home(config) as home, working("gathering what is held"):
        document = export_person(home, look_up(home, name))
    if output is None:
        tell_json(document)
        return
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False, indent=2)
    console.print(f"wrote {output}")


@contacts_app.command("readmit")
def readmit_person(
    *,
    names: Annotated[
        list[str], typer.Argument(help="Phone numbers, e-mail addresses or contact ids.")
    ],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let an erased person be imported again, for example after signing up anew.

    Give every identifier by which the person may come back. What was erased stays erased.

    Example: **emarsys-pipeline contacts readmit +491700000001 person@example.org**
    """
    with _home(config) as home:
        removed = readmit(home, names)
    if as_json:
        tell_json({"removed": removed})
    else:
        console.print(f"{removed} tombstones removed")
    if not removed:
        raise typer.Exit(1)


@contextmanager
def _home(config: Path | None) -> Iterator[Home]:
    settings = load_settings(config)
    warehouse = open_warehouse(settings)
    warehouse.prepare()
    try:
        yield Home(warehouse=warehouse, settings=settings)
    except (PersonNotFoundError, UnclassifiedError, LeftoverError) as error:
        errors.print(f"[red]error:[/red] {error}", soft_wrap=True)
        raise typer.Exit(1) from error


def _tell_findings(title: str, findings: list[Finding]) -> None:
    rows = [(each.file, each.place, each.rows) for each in findings]
    if rows:
        tell_table(title, ("file", "where", "rows"), rows)
    else:
        console.print("nothing found")


def _tell_erased(done: list[Erased], *, as_json: bool) -> None:
    if as_json:
        tell_json([asdict(each) for each in done])
        return
    if not done:
        console.print("no erasure was cut off")
    for each in done:
        tell_table(
            f"Erasure {each.erasure_id}: removed",
            ("where", "rows"),
            list(each.removed.items()) or [("nothing was left to remove", 0)],
        )
        console.print("searched all of it again: nothing found")
