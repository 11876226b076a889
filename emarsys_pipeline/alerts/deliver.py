"""Hands what waits in the book to the targets."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from emarsys_pipeline.alerts.book import AlertBook
from emarsys_pipeline.alerts.targets import TargetError, send
from emarsys_pipeline.settings import Target

logger = logging.getLogger(__name__)

# A sensor's tick may take a minute; what is left waits for the next one.
BUDGET_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What one round handed over."""

    sent: int
    failed: tuple[str, ...]


def deliver(book: AlertBook, targets: Sequence[Target]) -> Delivered:
    """Hand over what is due, to each target in order; a target that fails holds up no other."""
    deadline = time.monotonic() + BUDGET_SECONDS
    sent = 0
    failures = []
    for target in targets:
        for waiting in book.waiting(target.name, datetime.now(UTC)):
            if time.monotonic() > deadline:
                break
            try:
                send(waiting.alert, target)
            except TargetError as error:
                book.failed(waiting, str(error), datetime.now(UTC))
                logger.warning("an alert waits: %s", error)
                failures.append(str(error))
                break
            book.delivered(waiting, datetime.now(UTC))
            sent += 1
    return Delivered(sent=sent, failed=tuple(failures))
