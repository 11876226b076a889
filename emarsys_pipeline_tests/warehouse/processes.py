"""Real processes for tests, as other commands and runs are, killed by id.

They are forked from a server that has imported what they need and has opened nothing: so they start
in milliseconds, and share no connection, lock or thread with the test.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

SERVER = multiprocessing.get_context("forkserver")
# What the functions of all test files need; what is missing here is imported by each process.
SERVER.set_forkserver_preload(
    ["hypothesis", "pytest", "emarsys_pipeline.stages.stitched_identities.components"]
    + [f"emarsys_pipeline_tests.stages.{name}" for name in ("pushing", "upserting", "histories")]
)
PATIENCE_SECONDS = 60.0


def start(target: Callable[..., Any], *args: object) -> ForkServerProcess:
    """A new process that calls a function of a module, with the environment of the test."""
    process = SERVER.Process(target=_call, args=(dict(os.environ), target, args), daemon=True)
    process.start()
    return process


def _call(environment: dict[str, str], target: Callable[..., Any], args: tuple[object, ...]) -> Any:
    os.environ.clear()
    os.environ.update(environment)
    return target(*args)


def finish(*processes: ForkServerProcess) -> None:
    """Wait for processes, all of which must succeed."""
    for process in processes:
        process.join(PATIENCE_SECONDS)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def kill(process: ForkServerProcess) -> None:
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
def started(target: Callable[..., Any], *args: object) -> Iterator[ForkServerProcess]:
    """A process for the duration of a ``with`` block."""
    process = start(target, *args)
    try:
        yield process
    finally:
        process.kill()
        process.join(PATIENCE_SECONDS)
