"""Requests counted per credential and minute, as the rate headers tell them."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass

from emarsys_pipeline.sandbox.replies import ApiError

TOO_MANY = "Too many requests for this account and resource within the last minute."
WINDOW_SECONDS = 60.0
# What the headers promise when requests are not limited.
UNLIMITED = 1_000_000


@dataclass(slots=True)
class Window:
    """A minute that began with a credential's first request in it."""

    ends_at: float
    used: int = 0


class RateLimits:
    """The running minute of each credential."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}
        self._lock = threading.Lock()

    def count(self, credential: str, limit: int) -> tuple[bool, dict[str, str]]:
        """Count one request; return whether it is within the limit, and the headers to send."""
        now = time.time()
        with self._lock:
            window = self._windows.get(credential)
            if window is None or now >= window.ends_at:
                window = self._windows[credential] = Window(now + WINDOW_SECONDS)
            window.used += 1
            used, ends_at = window.used, window.ends_at
        return used <= limit, rate_headers(limit, max(limit - used, 0), ends_at)


def rate_headers(limit: int, remaining: int, ends_at: float) -> dict[str, str]:
    """Return the three headers in Emarsys's own spelling."""
    return {
        "X-RateLimit-Limit": str(limit),
        "X-Ratelimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(math.ceil(ends_at)),
    }


def too_many_requests() -> ApiError:
    """Return the refusal of a request over the limit."""
    return ApiError(429, 7003, TOO_MANY)
