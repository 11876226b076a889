"""The command's root: which commands there are, and how a failure is told."""

import sys

import typer
from rich.markup import escape

from emarsys_pipeline.cli import (
    actions,
    alerts,
    contacts,
    demo,
    doctor,
    explain,
    identities,
    messages,
    metrics,
    plan,
    project,
    query,
    rebuild,
    reconcile,
    sandbox,
    segments,
    status,
    ui,
)
from emarsys_pipeline.cli.terminal import errors
from emarsys_pipeline.runbook import error_section

INTERRUPTED = 130

app = typer.Typer(
    name="emarsys-pipeline",
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
messages.opt_in_app.command()(reconcile.reconcile)

START = "Start here"
app.command(rich_help_panel=START)(demo.demo)
app.command(rich_help_panel=START)(project.init)
app.command(rich_help_panel=START)(doctor.doctor)
app.command(rich_help_panel=START)(plan.plan)
app.command(rich_help_panel=START)(ui.ui)

LOOK = "Look at the data"
app.command(rich_help_panel=LOOK)(query.query)
app.command(rich_help_panel=LOOK)(query.export)
app.command(rich_help_panel=LOOK)(explain.explain)

OPERATE = "Operate"
app.command(rich_help_panel=OPERATE)(status.status)
app.command(rich_help_panel=OPERATE)(metrics.metrics)
app.add_typer(alerts.alerts_app, name="alerts", rich_help_panel=OPERATE)
app.command(rich_help_panel=OPERATE)(rebuild.rebuild)

PEOPLE = "People: consent, identities, privacy"
app.command(rich_help_panel=PEOPLE)(messages.webhooks)
app.add_typer(messages.inbox_app, name="inbox", rich_help_panel=PEOPLE)
app.add_typer(messages.opt_in_app, name="opt-in", rich_help_panel=PEOPLE)
app.add_typer(identities.app, name="identities", rich_help_panel=PEOPLE)
app.add_typer(contacts.contacts_app, name="contacts", rich_help_panel=PEOPLE)

ACCOUNT = "Work with an Emarsys account"
app.add_typer(segments.segments_app, name="segments", rich_help_panel=ACCOUNT)
app.add_typer(actions.contact_app, name="contact", rich_help_panel=ACCOUNT)
app.add_typer(actions.fields_app, name="fields", rich_help_panel=ACCOUNT)
app.add_typer(actions.choices_app, name="choices", rich_help_panel=ACCOUNT)
app.add_typer(actions.event_app, name="event", rich_help_panel=ACCOUNT)
app.add_typer(sandbox.app, name="sandbox", rich_help_panel=ACCOUNT)


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
