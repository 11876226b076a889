"""How much of Emarsys's limit of requests a minute is used, and whether it is ever exceeded.

It starts a sandbox with its limit on, and two processes with four threads each that share one
credential and one rate limit file and send as fast as they may. What counts is what the server
received: the exit code is 1 if any 60 seconds held more than the limit, if a request was refused,
or if less than 90 % of the limit was used in a full minute after the first.

Then, with another credential, one request under the same load is refused with 429. The exit code
is 1 as well if anything but what was already on its way arrives before the reset.

Run it with ``python -m benchmarks.rate_limit``.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from emarsys_pipeline.emarsys import EmarsysClient, RateLimiter, WsseCredentials
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox

LIMIT = 1000
MINUTE_SECONDS = 60.0
LEAST_SHARE = 0.9
PROCESSES, THREADS = 2, 4
# Of the second part: which request is refused, for how long, and how long sending goes on.
REFUSED_REQUEST = 100
RESET_SECONDS = 15
REFUSED_PART_SECONDS = 30.0
# A request may have left its thread before another thread learns of the refusal.
ON_THE_WAY_SECONDS = 1.0
# Within this time, both processes have started and send.
START_SECONDS = 10.0
# The sandbox keeps its last 10,000 requests.
MOST_SECONDS = 590.0
TOO_MANY_REQUESTS = 429


class TimeIsUpError(Exception):
    """The next request would wait until after the end."""


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def send_until(url: str, username: str, secret: str, limits: Path, ends_at: float) -> None:
    """Send from several threads of this process, as fast as the limit allows."""

    def sleep(seconds: float) -> None:
        if time.time() + seconds > ends_at:
            raise TimeIsUpError
        time.sleep(seconds)

    def send(client: EmarsysClient) -> None:
        try:
            while time.time() < ends_at:
                client.list_segments()
        except TimeIsUpError:
            return

    limiter = RateLimiter(limits, sleep=sleep)
    credentials = WsseCredentials(username, secret)
    with (
        EmarsysClient(credentials, base_url=url, rate_limiter=limiter) as client,
        ThreadPoolExecutor(THREADS) as threads,
    ):
        for sent in [threads.submit(send, client) for _ in range(THREADS)]:
            sent.result()
    limiter.close()


def send_from_all(
    sandbox: Sandbox, username: str, secret: str, limits: Path, seconds: float
) -> list[dict[str, Any]]:
    """Send from all processes for this long; return the requests that the server received."""
    before = max((each["sequence"] for each in sandbox.requests()), default=0)
    ends_at = time.time() + seconds
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as processes:
        for sent in [
            processes.submit(send_until, sandbox.url, username, secret, limits, ends_at)
            for _ in range(PROCESSES)
        ]:
            sent.result()
    return sandbox.requests(after=before)


def received_at(request: dict[str, Any]) -> float:
    """Return when the server received a request, in seconds."""
    return datetime.fromisoformat(request["received_at"]).timestamp()


def most_in_a_minute(times: Sequence[float]) -> int:
    """Return the largest number of ``times``, which are sorted, in any 60 seconds."""
    first, most = 0, 0
    for last, moment in enumerate(times):
        while times[first] <= moment - MINUTE_SECONDS:
            first += 1
        most = max(most, last - first + 1)
    return most


def measure_load(sandbox: Sandbox, limits: Path, seconds: float) -> bool:
    """Send for this long and print how much of the limit was used; return whether all is well."""
    requests = send_from_all(sandbox, sandbox.username, sandbox.secret, limits, seconds)
    times = sorted(received_at(each) for each in requests)
    span_seconds = times[-1] - times[0]
    # A minute after which nothing could have been received may not be a full one.
    minutes = [0] * int((seconds - START_SECONDS) // MINUTE_SECONDS)
    for moment in times:
        number = int((moment - times[0]) // MINUTE_SECONDS)
        if number < len(minutes):
            minutes[number] += 1
    most = most_in_a_minute(times)
    share = min(minutes[1:]) / LIMIT
    refused = sum(each["http_status"] == TOO_MANY_REQUESTS for each in requests)
    say(
        f"{PROCESSES} processes with {THREADS} threads, one credential, one rate limit file:"
        f" {len(times):,} requests in {span_seconds:.0f} s"
    )
    say(f"requests in each full minute: {', '.join(f'{count:,}' for count in minutes)}")
    say(f"most requests in any 60 s, as the server received them: {most:,} of {LIMIT:,}")
    say(f"share of the limit used in the worst full minute after the first: {share:.1%}")
    say(f"requests refused with 429: {refused}")
    return most <= LIMIT and share >= LEAST_SHARE and not refused


def measure_refusal(sandbox: Sandbox, limits: Path) -> bool:
    """Refuse one request and print what came until the reset; return whether nothing new did."""
    username, secret = "refused001", "refused-secret"
    sandbox.add_credentials(username=username, secret=secret)
    sandbox.set_fault("rate_limited", after=REFUSED_REQUEST - 1, wait_seconds=RESET_SECONDS)
    requests = send_from_all(sandbox, username, secret, limits, REFUSED_PART_SECONDS)
    times = [received_at(each) for each in requests]
    (refused_at,) = [received_at(each) for each in requests if each["fault"] == "rate_limited"]
    # The header tells whole seconds.
    reset_at = math.ceil(refused_at + RESET_SECONDS)
    on_the_way = [moment for moment in times if 0 < moment - refused_at <= ON_THE_WAY_SECONDS]
    waiting_ends_at = refused_at + ON_THE_WAY_SECONDS
    between = sum(waiting_ends_at < moment < reset_at for moment in times)
    afterwards = [moment for moment in times if moment >= reset_at]
    say(f"request {REFUSED_REQUEST} refused with 429, reset in {reset_at - refused_at:.2f} s")
    last = f", the last after {max(on_the_way) - refused_at:.3f} s" if on_the_way else ""
    say(
        f"received within {ON_THE_WAY_SECONDS:.0f} s, already on their way: {len(on_the_way)}{last}"
    )
    say(f"received from then until the reset: {between}")
    if not afterwards:
        say("received after the reset: 0")
        return False
    say(
        f"received after the reset: {len(afterwards)},"
        f" the first {min(afterwards) - refused_at:.2f} s after the 429"
    )
    return len(on_the_way) < PROCESSES * THREADS and between == 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=200.0, help="how long the load lasts")
    seconds = parser.parse_args().seconds
    if not 2 * MINUTE_SECONDS + START_SECONDS <= seconds <= MOST_SECONDS:
        parser.error(
            "130 seconds hold a full minute after the first, and 590 are what the sandbox remembers"
        )
    say(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with (
        TemporaryDirectory(prefix="rate-limit-") as folder,
        running_sandbox(contacts=200, has_rate_limit=True) as sandbox,
    ):
        limits = Path(folder) / "rate_limits.sqlite"
        results = [measure_load(sandbox, limits, seconds), measure_refusal(sandbox, limits)]
    raise SystemExit(not all(results))


if __name__ == "__main__":
    main()
