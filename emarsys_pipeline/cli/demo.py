"""``emarsys-pipeline demo``: the whole job, end to end, against the sandbox."""

from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from emarsys_pipeline.cli.answers import tell_json
from emarsys_pipeline.cli.demo_account import DemoEvents, DemoWindows, write_settings
from emarsys_pipeline.cli.demo_result import Arrived, what_arrived
from emarsys_pipeline.cli.identity_quality import (
    IdentityQuality,
    add_true_persons,
    measure_quality,
)
from emarsys_pipeline.cli.options import AsJson
from emarsys_pipeline.cli.terminal import Bars, bars, console, errors, table
from emarsys_pipeline.connect import connect
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.storage import open_inbox, open_warehouse, rate_limits

DEMO_HOME = Path(".demo")
EXAMPLE_QUERY = "select status, count(*) as people from consent_status group by all"


def demo(
    *,
    contacts: Annotated[
        int, typer.Option(min=100, help="Contacts of a new sandbox account.")
    ] = 25_000,
    home: Annotated[
        Path, typer.Option(help="Folder for everything that the demo keeps.")
    ] = DEMO_HOME,
    ui: Annotated[bool, typer.Option("--ui", help="Keep the Dagster UI up afterwards.")] = False,
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
    as_json: AsJson = False,
) -> None:
    """Run the whole pipeline against an Emarsys account of its own: the sandbox.

    Starts the sandbox on this machine, imports two segments over two windows (first in full, then
    only what changed), stitches them with contacts of the messaging side, takes consent given and
    withdrawn, pushes it, reads the sandbox back and prints what arrived.

    Exit code 1 if anything did not arrive. A second run continues with the same account and
    changes nothing. Delete the folder to begin anew.

    Example: **emarsys-pipeline demo --contacts 100000 --ui**
    """
    # Dagster and pandas take seconds to import, and --help should not.
    from emarsys_pipeline.defs.home import prepare_home
    from emarsys_pipeline.defs.in_process import RunFailedError

    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as sandbox_life:
        with bars() as progress:
            with progress.step("start the sandbox"):
                sandbox = sandbox_life.enter_context(
                    running_sandbox(contacts=contacts, state=home / "sandbox.duckdb")
                )
            settings = write_settings(home, sandbox, datetime.now(UTC))
            with progress.step("create the Dagster home"):
                dagster_home = prepare_home(settings.dagster_home)
            try:
                _run_stages(settings, dagster_home, sandbox, home, progress)
            except RunFailedError as error:
                errors.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
                raise typer.Exit(1) from error
            with progress.step("read the sandbox back"):
                arrived = _read_back(settings, sandbox)
                quality = _judge_identities(settings, dagster_home, sandbox)
        if as_json:
            right = {"precision": quality.precision, "recall": quality.recall}
            tell_json(
                {"arrived": asdict(arrived), "identities": right, "seconds": progress.seconds}
            )
        else:
            _show(arrived, progress.seconds, settings)
            _show_quality(quality)
        if not arrived.is_complete:
            errors.print("[red]error:[/red] not everything arrived; see the table above")
            raise typer.Exit(1)
        if ui:
            from emarsys_pipeline.cli.ui import serve_ui

            console.print(f"Sandbox: {sandbox.url}")
            serve_ui(settings, port=port)


def _run_stages(
    settings: Settings, dagster_home: Path, sandbox: Sandbox, home: Path, progress: Bars
) -> None:
    from emarsys_pipeline.defs.in_process import in_process_runs
    from emarsys_pipeline.defs.progress import listening

    account = settings.accounts[0]
    segments = {account.name: [reference.id or "" for reference in account.segments]}
    windows = DemoWindows.of(settings.windows.grid)
    with (
        in_process_runs(settings, dagster_home) as runs,
        listening(progress),
        open_inbox(settings) as inbox,
    ):
        events = DemoEvents(home, sandbox, inbox)
        events.early_decisions()
        for number, window in enumerate((windows.first, windows.second), start=1):
            kind = "in full" if number == 1 else "what changed"
            with progress.step(f"window {number}: import and map {kind}"):
                runs.import_window(segments, window)
            with progress.step(f"window {number}: take in the messaging side"):
                events.contacts_and_decisions_of(window)
                runs.materialize("platform_contacts", "consent_events", window=window)
            with progress.step(f"window {number}: stitch identities"):
                runs.materialize("stitched_identities", window=window)
            with progress.step(f"window {number}: derive opt-in deltas"):
                runs.materialize("opt_in_deltas", window=window)
            with progress.step(f"window {number}: push opt-ins"):
                runs.run_job("opt_in_push")
            if number == 1:
                with progress.step("twelve hours pass"):
                    events.half_a_day()
        with progress.step("consent given and withdrawn now, pushed at once"):
            events.late_decisions()
            runs.run_job("opt_in_sync", window=settings.windows.grid.at(datetime.now(UTC)))


def _read_back(settings: Settings, sandbox: Sandbox) -> Arrived:
    account = settings.accounts[0]
    warehouse = open_warehouse(settings)
    warehouse.publish_pending(at_once=True)
    with connect(account, rate_limit=rate_limits(settings)) as client:
        members = {
            reference.id: [
                contact for page in client.segment_contact_ids(reference.id) for contact in page
            ]
            for reference in account.segments
            if reference.id is not None
        }
        wanted = account.opt_in.field if account.opt_in else ""
        (field,) = [field for field in client.list_fields() if field.name == wanted]
    return what_arrived(
        warehouse,
        account,
        members=members,
        field_values=sandbox.field_values(field.id, only_set=True),
    )


def _judge_identities(settings: Settings, dagster_home: Path, sandbox: Sandbox) -> IdentityQuality:
    """Compare identities with the persons that the sandbox knows, and show it at the asset."""
    from emarsys_pipeline.defs.in_process import observe

    warehouse = open_warehouse(settings)
    with warehouse.read_published() as connection:
        add_true_persons(connection, settings.accounts[0].name, sandbox.truth()["persons"])
        connection.execute("create temp view judged_identities as from identity_members")
        quality = measure_quality(connection)
    observe(
        dagster_home,
        "stitched_identities",
        DemoWindows.of(settings.windows.grid).second,
        {
            "precision": quality.precision,
            "recall": quality.recall,
            "merged_pairs": quality.merged_pairs,
            "true_pairs": quality.true_pairs,
            "persons": quality.persons,
        },
    )
    return quality


def _show_quality(quality: IdentityQuality) -> None:
    rows = [
        ("merged pairs of contacts that are one person (precision)", f"{quality.precision:.1%}"),
        ("pairs of one person that were merged (recall)", f"{quality.recall:.1%}"),
    ]
    console.print(table("Identities against the sandbox's persons", ("what", "share"), rows))


def _show(arrived: Arrived, seconds: dict[str, float], settings: Settings) -> None:
    rows = [
        ("contacts imported", arrived.contacts_imported),
        ("contacts changed in the second window", arrived.contacts_changed),
        ("contacts that left a segment", arrived.contacts_left),
        ("identities", arrived.identities),
        ("contacts merged into another's identity", arrived.records_merged),
        ("consent decisions", arrived.consent_decisions),
        ("pushes accepted", arrived.pushes_accepted),
        ("pushes still open", arrived.pushes_open),
        ("contacts missing or too many", arrived.missing_contacts),
        ("drift (Emarsys shows another decision)", arrived.drift),
    ]
    console.print(table("What arrived", ("what", "count"), rows))
    timings = [(name, f"{taken:.1f}") for name, taken in seconds.items()]
    console.print(table("Where the time went", ("stage", "seconds"), timings))
    analytics = open_warehouse(settings).published_name
    if arrived.is_complete:
        console.print(
            "[green]Everything arrived:[/green] Emarsys shows each person's last decision."
        )
    console.print(f"Settings: {settings.path}", soft_wrap=True)
    console.print(f"Analysts' database: {analytics}   try:", soft_wrap=True)
    command = f"emarsys-pipeline query --config {settings.path} '{EXAMPLE_QUERY}'"
    console.print(f"  {command}", soft_wrap=True)
