"""Real processes for tests: started afresh, as other commands and runs are, and killed by id."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

SPAWN = multiprocessing.get_context("spawn")
PATIENCE_SECONDS = 60.0


def start(target: Callable[..., Any], *args: object) -> SpawnProcess:
    """A new process that calls a function of a module."""
    process = SPAWN.Process(target=target, args=args, daemon=True)
    process.start()
    return process


def finish(*processes: SpawnProcess) -> None:
    """Wait for processes, all of which must succeed."""
    for process in processes:
        process.join(PATIENCE_SECONDS)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def kill(process: SpawnProcess) -> None:
    """End a process as the kernel does when memory runs out: it cannot do anything about it."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == -signal.SIGKILL


def wait_for(path: Path) -> None:
    """Wait until another process has made this file."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} was not made"
        time.sleep(0.005)


def sleep_for_ever(marker: Path) -> None:
    """Say by a file that this point is reached, and stay there."""
    marker.touch()
    time.sleep(PATIENCE_SECONDS)


@contextmanager
def started(target: Callable[..., Any], *args: object) -> Iterator[SpawnProcess]:
    """A process for the duration of a ``with`` block."""
    process = start(target, *args)
    try:
        yield process
    finally:
        process.kill()
        process.join(PATIENCE_SECONDS)
