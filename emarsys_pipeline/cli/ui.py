"""``emarsys-pipeline ui``: Dagster's webserver and daemon for a settings file."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from emarsys_pipeline.cli.options import Config
from emarsys_pipeline.cli.terminal import console, errors
from emarsys_pipeline.settings import CONFIG_VARIABLE, Settings, child_environment, load_settings

STOP_SECONDS = 30


def ui(
    *,
    config: Config = None,
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
) -> None:
    """Run Dagster for these settings: the UI, the schedule and the sensors, until Ctrl-C.

    Listens on this machine only. For separate services, point dagster-webserver and
    dagster-daemon at workspace.yaml with the same DAGSTER_HOME.

    Example: **emarsys-pipeline ui --port 3001**
    """
    serve_ui(load_settings(config), port=port)


def serve_ui(settings: Settings, *, port: int) -> None:
    """Run ``dagster dev`` until it ends or Ctrl-C ends it, and everything it started."""
    from emarsys_pipeline.defs.home import WORKSPACE_FILE, prepare_home

    dagster_home = prepare_home(settings.dagster_home)
    more = {"DAGSTER_HOME": str(dagster_home)}
    if settings.path is not None:
        more[CONFIG_VARIABLE] = str(Path(settings.path).resolve())
    console.print(f"Dagster UI: http://127.0.0.1:{port}   (Ctrl-C stops it)")
    with subprocess.Popen(  # noqa: S603 - our own command
        [
            *(sys.executable, "-m", "dagster", "dev"),
            *("-w", str(dagster_home / WORKSPACE_FILE)),
            *("-h", "127.0.0.1", "-p", str(port)),
        ],
        env=child_environment(more),
        start_new_session=True,
        # A shell in the background hands on an ignored SIGINT, and Dagster would keep it so.
        preexec_fn=_accept_interrupts,
    ) as process:
        # Being terminated ends the children in the same way as Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            process.wait()
        except KeyboardInterrupt:
            _stop(process)
            return
    if process.returncode != 0:
        errors.print("[red]error:[/red] Dagster ended by itself; the reason stands above")
        raise typer.Exit(1)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Interrupt Dagster and wait until it has ended its own children."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def _accept_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
