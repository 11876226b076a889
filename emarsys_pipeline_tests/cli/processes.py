"""The command as a process of its own: in a pipe, in a terminal, and interrupted."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

COMMAND = Path(sys.executable).parent / "emarsys-pipeline"
START_SECONDS = 90.0


def environment(**more: str) -> dict[str, str]:
    """The caller's variables without those that change how a terminal is used."""
    left_out = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONDONTWRITEBYTECODE"}
    ours = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**ours, "TERM": "xterm-256color", **more}


def in_a_terminal(*arguments: str, env: Mapping[str, str], folder: Path) -> str:
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(  # noqa: S603 - our own command
        [COMMAND, *arguments], stdout=theirs, stderr=theirs, stdin=theirs, env=env, cwd=folder
    ):
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            written += part
    os.close(ours)
    return written.decode()


@dataclass(frozen=True, slots=True)
class Interrupted:
    """How an interrupted command ended."""

    exit_code: int
    output: str
    errors: str


def interrupt(
    *arguments: str,
    env: Mapping[str, str],
    folder: Path,
    when: Callable[[], bool],
) -> Interrupted:
    """Start the command, press Ctrl-C once ``when`` is true, and wait for its end."""
    out, err = folder / "interrupted.out", folder / "interrupted.err"
    with out.open("w") as output, err.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [COMMAND, *arguments],
            stdout=output,
            stderr=errors,
            env=env,
            cwd=folder,
            start_new_session=True,
            preexec_fn=_accept_interrupts,
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not when():
                assert process.poll() is None, err.read_text()
                assert time.monotonic() < deadline, err.read_text()
                time.sleep(0.02)
            # A terminal sends it to the whole foreground group.
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
            assert not _lives_on(process.pid, folder), "something that it started lives on"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return Interrupted(process.returncode, out.read_text(), err.read_text())


def _accept_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _lives_on(group: int, folder: Path) -> bool:
    """Whether after some seconds a process of the group, or one that names the folder, is there."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            if not _names(folder):
                return False
        time.sleep(0.05)
    return True


def _names(folder: Path) -> list[str]:
    """The command lines, of all processes but this one, that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        if str(folder) in line and path.parent.name != str(os.getpid()):
            found.append(line)
    return found
