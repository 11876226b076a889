"""Progress of a stage: lines in the run's log, and whoever else listens in this process."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from emarsys_pipeline.stages.progress import Progress, no_progress

SECONDS_BETWEEN_LINES = 5.0

_listener: ContextVar[Progress] = ContextVar("progress_listener", default=no_progress)


@contextmanager
def listening(progress: Progress) -> Iterator[None]:
    """Tell ``progress`` as well, from runs that are executed in this process meanwhile.

    For a terminal that draws bars; runs of the daemon are other processes and only write lines.
    """
    token = _listener.set(progress)
    try:
        yield
    finally:
        _listener.reset(token)


def log_progress(log: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> Progress:
    """A progress that writes a line when a piece of work ends, and every few seconds before."""
    last: dict[str, float] = {}
    # Stages tell their progress from threads of their own, which see no context variables.
    listener = _listener.get()

    def progress(name: str, done: int, total: int | None) -> None:
        listener(name, done, total)
        now = clock()
        is_finished = total is not None and done >= total
        if not is_finished and now - last.setdefault(name, now) < SECONDS_BETWEEN_LINES:
            return
        last[name] = now
        if total is None:
            log.info("%s: %d", name, done)
        else:
            log.info("%s: %d of %d", name, done, total)

    return progress
