"""What is tried again, how often and after how long: the one table for all endpoints.

A call that only reads is repeated after every outcome listed here. A call that writes is repeated
only when the outcome proves that nothing was applied; otherwise it is raised with
``is_outcome_unknown`` set, and reading back settles it. Outcomes that are not listed (401, 403,
400, 404, ...) are never repeated; an expired OAuth2 token is renewed by the transport, once.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from emarsys_pipeline.emarsys.errors import (
    BusyError,
    EmarsysError,
    IncompleteExportError,
    NoReplyError,
    NotYetError,
    RateLimitedError,
    ServerError,
    UnreadableReplyError,
)

HTTP_SERVICE_UNAVAILABLE = 503
HTTP_NOT_IMPLEMENTED = 501


class Outcome(Enum):
    """How an attempt ended, as far as repeating it is concerned."""

    NOT_CONNECTED = "no connection"
    NO_REPLY = "no whole reply"
    UNREADABLE = "unreadable reply"
    INCOMPLETE_FILE = "incomplete file"
    RATE_LIMITED = "HTTP 429"
    OVERLOADED = "HTTP 503"
    SERVER_FAILED = "HTTP 500, 502 or 504"
    BUSY = "HTTP 423"
    NOT_YET = "not yet"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table.

    Attributes:
        waits: seconds before the second, third, ... attempt; the last wait is repeated when
            ``is_endless``.
        may_have_been_applied: whether a write can have taken effect although it ended so.
        is_endless: tried again until ``RetrySettings.evaluation_seconds`` are over, not only as
            often as there are waits: Emarsys is working on it.
    """

    waits: tuple[float, ...]
    may_have_been_applied: bool
    is_endless: bool = False


RULES: Mapping[Outcome, Rule] = {
    # the request never left: safe for writes
    Outcome.NOT_CONNECTED: Rule((1, 3, 9, 20), may_have_been_applied=False),
    Outcome.NO_REPLY: Rule((1, 4, 15), may_have_been_applied=True),
    Outcome.UNREADABLE: Rule((2, 10), may_have_been_applied=True),
    Outcome.INCOMPLETE_FILE: Rule((1, 5), may_have_been_applied=True),
    # the server's reset replaces these waits
    Outcome.RATE_LIMITED: Rule((60, 60, 60), may_have_been_applied=False),
    # refused before any work ("the system is overloaded for this resource")
    Outcome.OVERLOADED: Rule((5, 15, 45), may_have_been_applied=False),
    # few and slow: 502 means that repeated failing calls are being ignored for a while
    Outcome.SERVER_FAILED: Rule((5, 30), may_have_been_applied=True),
    # one segment evaluation at a time for an account: queue up, slowly
    Outcome.BUSY: Rule((2, 4, 8, 15, 30), may_have_been_applied=False, is_endless=True),
    Outcome.NOT_YET: Rule((0.5, 1, 2, 4, 8, 15, 30), may_have_been_applied=False, is_endless=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """How long one call may go on trying.

    Attributes:
        total_seconds: no new attempt starts later than this after the first.
        evaluation_seconds: the same while Emarsys says "not yet" or "busy".
        jitter: each wait is lengthened by up to this share of itself.
        wait_factor: multiplies the waits of the table (not those that the server names); tests
            make it small.
    """

    total_seconds: float = 240.0
    evaluation_seconds: float = 3600.0
    jitter: float = 0.25
    wait_factor: float = 1.0


def outcome_of(error: EmarsysError) -> Outcome | None:
    """The row of the table for this error; None when it is never tried again."""
    match error:
        case NoReplyError():
            return Outcome.NO_REPLY if error.was_sent else Outcome.NOT_CONNECTED
        case UnreadableReplyError():
            return Outcome.UNREADABLE
        case IncompleteExportError():
            return Outcome.INCOMPLETE_FILE
        case RateLimitedError():
            return Outcome.RATE_LIMITED
        case BusyError():
            return Outcome.BUSY
        case NotYetError():
            return Outcome.NOT_YET
        case ServerError(http_status=status) if status == HTTP_SERVICE_UNAVAILABLE:
            return Outcome.OVERLOADED
        case ServerError(http_status=status) if status != HTTP_NOT_IMPLEMENTED:
            return Outcome.SERVER_FAILED
    return None


@dataclass(slots=True)
class Attempts:
    """The attempts of one call: says how long to wait before the next one, if there is one."""

    settings: RetrySettings
    is_repeatable: bool
    clock: Callable[[], float] = time.monotonic
    randomness: random.Random = field(default_factory=random.SystemRandom)
    failed: dict[Outcome, int] = field(default_factory=dict)
    started: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock with the first attempt."""
        self.started = self.clock()

    def wait_after(self, error: EmarsysError) -> float | None:
        """Seconds to wait before the next attempt; None when ``error`` is to be raised."""
        outcome = outcome_of(error)
        if outcome is None:
            return None
        rule = RULES[outcome]
        if rule.may_have_been_applied and not self.is_repeatable:
            error.is_outcome_unknown = True
            return None
        count = self.failed.get(outcome, 0)
        self.failed[outcome] = count + 1
        if count >= len(rule.waits) and not rule.is_endless:
            return None
        seconds = rule.waits[min(count, len(rule.waits) - 1)] * self.settings.wait_factor
        if isinstance(error, RateLimitedError):
            seconds = error.wait_seconds
        seconds *= 1 + self.settings.jitter * self.randomness.random()
        limit = self.settings.evaluation_seconds if rule.is_endless else self.settings.total_seconds
        return None if self.clock() - self.started + seconds > limit else seconds
