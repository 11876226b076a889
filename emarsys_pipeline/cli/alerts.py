"""``emarsys-pipeline alerts``: whether people are reached, and what is open."""

import uuid
from datetime import UTC, datetime

import typer

from emarsys_pipeline.alerts import Alert, AlertBook, Finding, TargetError, send
from emarsys_pipeline.cli.answers import tell_json, tell_line, tell_table
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.terminal import bars, errors
from emarsys_pipeline.runbook import RUNBOOK
from emarsys_pipeline.settings import load_settings

alerts_app = typer.Typer(
    no_args_is_help=True, help="Tries the targets of alerts, and lists what is open."
)


@alerts_app.command("test", epilog="Example: `emarsys-pipeline alerts test`")
def try_targets(*, config: Config = None, as_json: AsJson = False) -> None:
    """Send a test message to each target of the settings, now. Exit code 1 if one refuses it."""
    settings = load_settings(config).alerts
    if not settings.targets:
        errors.print("[red]error:[/red] no target: write one under alerts in the settings file")
        raise typer.Exit(1)
    alert = Alert.of(
        Finding(
            subject="test",
            what="a test of alerts",
            severity="warning",
            occurred_at=datetime.now(UTC),
            what_to_do="Nothing: this is a test.",
            runbook=RUNBOOK,
        ),
        alert_id=uuid.uuid4().hex,
        repeated=0,
        ui_url=settings.ui_url,
        docs_url=settings.docs_url,
    )
    said: dict[str, str | None] = {}
    with bars() as progress:
        for target in settings.targets:
            progress("targets tried", len(said), len(settings.targets))
            try:
                send(alert, target)
                said[target.name] = None
            except TargetError as error:
                said[target.name] = str(error)
    if as_json:
        tell_json([{"target": name, "error": refusal} for name, refusal in said.items()])
    else:
        for name, refusal in said.items():
            tell_line(f"{name}: {refusal or 'sent'}")
    if any(said.values()):
        raise typer.Exit(1)


@alerts_app.command("list", epilog="Example: `emarsys-pipeline alerts list --json`")
def list_open(*, config: Config = None, as_json: AsJson = False) -> None:
    """List the failures that have not passed, and the messages that wait for a target."""
    settings = load_settings(config)
    names = [target.name for target in settings.alerts.targets]
    with AlertBook(settings.alerts_path) as book:
        found, waiting = book.open_subjects(), book.undelivered(names)
    if as_json:
        tell_json({"open": found, "targets": waiting})
        return
    columns = ("what", "severity", "since", "told_at", "repeated")
    tell_table(
        f"{len(found)} open", list(columns), [[row[name] for name in columns] for row in found]
    )
    for name, target in waiting.items():
        error = f" ({target['last_error']})" if target["last_error"] else ""
        tell_line(f"{name}: {target['waiting']} messages wait{error}")
