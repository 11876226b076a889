"""Progress of a stage as lines in the run's log: a few per piece of work, not one per step."""

import logging
import time
from collections.abc import Callable

from emarsys_pipeline.stages.progress import Progress

SECONDS_BETWEEN_LINES = 5.0


def log_progress(log: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> Progress:
    """A progress that writes a line when a piece of work ends, and every few seconds before."""
    last: dict[str, float] = {}

    def progress(name: str, done: int, total: int | None) -> None:
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
