"""A real ``dagster dev``: daemon, webserver and code server, for the duration of a block."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import requests

from emarsys_pipeline_tests.running_dagster import RunningDagster

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class DagsterDev(RunningDagster):
    """Where the running Dagster answers."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def address(self) -> str:
        """The webserver's."""
        return self.url

    def logs(self) -> str:
        """The end of what all of it wrote."""
        return self.log.read_text()[-5000:]

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def is_up(self) -> bool:
        """Whether the webserver answers."""
        try:
            return requests.get(f"{self.url}/server_info", timeout=5).ok
        except requests.ConnectionError:
            return False


@contextmanager
def running_dagster(home: Path, environment: Mapping[str, str]) -> Iterator[DagsterDev]:
    """Start ``dagster dev`` as the README does, and stop everything it started.

    Args:
        home: DAGSTER_HOME, which gets the project's dagster.yaml; it may hold runs already.
        environment: further environment variables.
    """
    home.mkdir(parents=True, exist_ok=True)
    instance_file = home / "dagster.yaml"
    if not instance_file.exists():
        instance_file.symlink_to(ROOT / "dagster.yaml")
    # Several processes that make the same SQLite files at once get in each other's way.
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.get_runs(limit=1)
    port = _free_port()
    log = home / "dagster_dev.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [
                *(sys.executable, "-m", "dagster", "dev", "-w", str(ROOT / "workspace.yaml")),
                *("-h", "127.0.0.1", "-p", str(port)),
            ],
            cwd=home,
            env=environment_of(home, environment),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A shell in the background hands on an ignored SIGINT, and Dagster would keep it so.
            preexec_fn=_accept_interrupts,
        )
        dagster = DagsterDev(f"http://127.0.0.1:{port}", process, log)
        try:
            dagster.wait_for("webserver", dagster.is_up, seconds=90)
            yield dagster
        finally:
            _stop(process)


def environment_of(home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Ours, with these variables and this DAGSTER_HOME."""
    inherited = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**inherited, **environment, "DAGSTER_HOME": str(home)}


def _accept_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """An interrupt ends the children as well; a process that ignores it is killed with them."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
