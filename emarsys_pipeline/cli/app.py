"""The command's root: which commands there are, and how a failure is told."""

import sys

import typer
from rich.markup import escape

from emarsys_pipeline.cli.lazy import Place, lazy_group
from emarsys_pipeline.cli.terminal import errors
from emarsys_pipeline.runbook import error_section

INTERRUPTED = 130

START = "Start here"
LOOK = "Look at the data"
OPERATE = "Operate"
PEOPLE = "People: consent, identities, privacy"
ACCOUNT = "Work with an Emarsys account"

COMMANDS = {
    "demo": Place("demo", "demo", START),
    "init": Place("project", "init", START),
    "doctor": Place("doctor", "doctor", START),
    "plan": Place("plan", "plan", START),
    "ui": Place("ui", "ui", START),
    "query": Place("query", "query", LOOK),
    "export": Place("query", "export", LOOK),
    "publish": Place("publish", "publish", LOOK),
    "explain": Place("explain", "explain", LOOK),
    "status": Place("status", "status", OPERATE),
    "metrics": Place("metrics", "metrics", OPERATE),
    "migrate": Place("migrate", "migrate", OPERATE),
    "rebuild": Place("rebuild", "rebuild", OPERATE),
    "webhooks": Place("messages", "webhooks", PEOPLE),
    "alerts": Place("alerts", "alerts_app", OPERATE),
    "inbox": Place("messages", "inbox_app", PEOPLE),
    "opt-in": Place("messages", "opt_in_app", PEOPLE),
    "identities": Place("identities", "app", PEOPLE),
    "contacts": Place("contacts", "contacts_app", PEOPLE),
    "segments": Place("segments", "segments_app", ACCOUNT),
    "contact": Place("actions", "contact_app", ACCOUNT),
    "fields": Place("actions", "fields_app", ACCOUNT),
    "choices": Place("actions", "choices_app", ACCOUNT),
    "event": Place("actions", "event_app", ACCOUNT),
    "sandbox": Place("sandbox", "app", ACCOUNT),
}

app = typer.Typer(
    name="emarsys-pipeline",
    cls=lazy_group(COMMANDS),
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help=(
        "Keeps SAP Emarsys and a conversational-messaging contact store in step.\n\n"
        "Start with **emarsys-pipeline demo**: it needs no Emarsys account."
    ),
    epilog=(
        "Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong usage, 130 "
        "interrupted. More: docs/terminal.md"
    ),
)


@app.callback()
def _root() -> None:
    """Make it a group: its commands are not registered, but looked up."""


def main() -> None:
    """Run the command.

    A failure that we know becomes one message and exit code 1, an interrupt a message and exit code
    130; what nobody foresaw keeps its traceback, with exit code 1 too.
    """
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            errors.print("interrupted: nothing is half done, and the command may be run again")
        raise
    except Exception as error:
        section = error_section(error)
        if not section:
            raise
        errors.print(f"[red]error:[/red] {escape(str(error))}\nMore: {section}", soft_wrap=True)
        sys.exit(1)
