"""The command's root: which commands there are, and how a failure is told."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from emarsys_pipeline.cli import (
    actions,
    alerts,
    demo,
    doctor,
    explain,
    identities,
    messages,
    metrics,
    project,
    reconcile,
    sandbox,
    segments,
    status,
    ui,
)
from emarsys_pipeline.emarsys.errors import EmarsysError
from emarsys_pipeline.runbook import error_section
from emarsys_pipeline.settings import SettingsError
from emarsys_pipeline.stages.raw_segment_exports.errors import SegmentImportError

app = typer.Typer(
    name="emarsys-pipeline",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help=(
        "Keeps SAP Emarsys and a conversational-messaging contact store in step.\n\n"
        "Start with **emarsys-pipeline demo**: it needs no Emarsys account."
    ),
    epilog="Exit codes: 0 done, 1 failed (the last line says what to do), 2 wrong usage.",
)
app.command()(demo.demo)
app.command()(project.init)
app.command()(ui.ui)
app.command()(project.query)
app.command()(explain.explain)
app.command()(status.status)
app.command()(metrics.metrics)
app.add_typer(alerts.alerts_app, name="alerts")
app.command()(messages.webhooks)
app.add_typer(messages.inbox_app, name="inbox")
messages.opt_in_app.command()(reconcile.reconcile)
app.add_typer(messages.opt_in_app, name="opt-in")
app.add_typer(identities.app, name="identities")
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(actions.contact_app, name="contact")
app.add_typer(actions.fields_app, name="fields")
app.add_typer(actions.choices_app, name="choices")
app.add_typer(actions.event_app, name="event")
app.add_typer(segments.segments_app, name="segments")
app.command()(doctor.doctor)


def main() -> None:
    """Run the command; a failure that we know becomes one message and exit code 1."""
    try:
        app()
    except (SettingsError, EmarsysError, SegmentImportError) as error:
        Console(stderr=True, highlight=False).print(
            f"[red]error:[/red] {escape(str(error))}\nMore: {error_section(error)}", soft_wrap=True
        )
        sys.exit(1)
