"""A machine that runs our units: its folders, its environment, its processes."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emarsys_pipeline_tests.bring_up.units import (
    BARE_ENVIRONMENT,
    expand,
    read_environment,
    read_unit,
)

STOP_SECONDS = 30.0
UNIT_FOLDER = "/etc/systemd/system"
PROGRAM = "/opt/emarsys-pipeline"
# What the page and the units name, and what is put under the root of a machine here.
FOLDERS = ("/etc/emarsys-pipeline", UNIT_FOLDER, "/var/lib/emarsys-pipeline")


@dataclass
class Machine:
    """Folders and processes of one machine.

    Attributes:
        root: stands for ``/``; only the folders that the page names are in it.
        program: the virtual environment that stands for ``/opt/emarsys-pipeline``.
        within: a command that each process is started with, such as ``ip netns exec NAME``.
        host: the host's name.
    """

    root: Path
    program: Path
    within: Sequence[str] = ()
    host: str = field(default_factory=socket.gethostname)
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def place(self, text: str) -> str:
        """A text with the folders of the page replaced by those of this machine."""
        for folder in FOLDERS:
            text = text.replace(folder, f"{self.root}{folder}")
        return text.replace(PROGRAM, str(self.program))

    def path(self, path: str) -> Path:
        """Where a path of the page is on this machine."""
        return Path(self.place(path))

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a service gets: nothing of ours but what the environment file says."""
        written = read_environment(self.path("/etc/emarsys-pipeline/environment"))
        bare = {name: self.place(value) for name, value in BARE_ENVIRONMENT.items()}
        return {**bare, **written, **(more or {})}

    def start(self, unit: str) -> None:
        """Start the process of a unit as its ``ExecStart`` says; its output goes to a log."""
        assert not self.is_running(unit), f"{unit} runs already"
        service = read_unit(self.path(UNIT_FOLDER), unit, host=self.host)
        environment = self.environment()
        with self.log(unit).open("ab") as output:
            self.processes[unit] = subprocess.Popen(  # noqa: S603 - a command of our units
                [*self.within, *map(self.place, expand(service.command, environment))],
                cwd=self.path(service.working_directory),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_as_from_systemd,
            )
        if service.afterwards:
            subprocess.run(  # noqa: S603 - a command of our units
                [*self.within, *expand(service.afterwards, environment)],
                env=environment,
                check=True,
            )

    def is_running(self, unit: str) -> bool:
        """Whether the unit's first process lives."""
        return unit in self.processes and self.processes[unit].poll() is None

    def kill(self, unit: str) -> None:
        """End all processes of a unit at once, as a power cut would."""
        process = self.processes.pop(unit)
        _signal_group(process, signal.SIGKILL)
        process.wait()

    def kill_all(self) -> None:
        """End whatever was started and not ended."""
        for unit in tuple(self.processes):
            self.kill(unit)

    def stop(self, *units: str) -> None:
        """Ask the units to end, as ``systemctl stop`` does, and wait."""
        stopped = {unit: self.processes.pop(unit) for unit in units}
        for process in stopped.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in stopped.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            _signal_group(process, signal.SIGKILL)
            process.wait()

    def log(self, unit: str) -> Path:
        """What the unit's processes have written."""
        return self.root / f"{unit}.log"

    def logs(self) -> str:
        """The ends of all logs, for the message of a failed test."""
        ends = (f"--- {log.name}\n{log.read_text()[-3000:]}" for log in self.root.glob("*.log"))
        return "\n".join(ends)


def _signal_group(process: "subprocess.Popen[bytes]", number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _as_from_systemd() -> None:
    """A shell in the background hands on ignored interrupts, and systemd none."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
