"""The rate limit: never more than allowed in any window, and most of it used."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emarsys_pipeline.emarsys import EmarsysClient, RateLimiter, RetrySettings, WsseCredentials
from emarsys_pipeline.emarsys.rate_limit import RateLimitStatus
from emarsys_pipeline_tests.emarsys.conftest import FAST
from emarsys_pipeline_tests.emarsys.scripted_server import ScriptedServer, envelope, ok


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def most_in_a_window(times: list[float], window_seconds: float) -> int:
    """The largest number of ``times`` within half-open spans of this length."""
    times = sorted(times)
    first = 0
    most = 0
    for last, moment in enumerate(times):
        while times[first] <= moment - window_seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("seed", range(5))
def test_no_minute_at_the_server_holds_more_than_the_limit_however_slow_replies_are(
    seed: int,
) -> None:
    dice = random.Random(seed)  # noqa: S311 a simulation
    clock = Clock()
    limiter = RateLimiter(now=clock.now, sleep=clock.sleep)
    limit = 50
    arrivals: list[float] = []
    started = clock.time
    while clock.time < started + 600:
        slot = limiter.acquire("user")
        travel, thinking = dice.random() * 0.2, dice.random() * 0.2
        arrivals.append(clock.time + travel)
        clock.sleep(travel + thinking)
        limiter.release("user", slot, RateLimitStatus(limit, None, None), refused=False)
    assert most_in_a_window(arrivals, 60) <= limit, f"seed {seed}"
    assert len(arrivals) >= 0.9 * limit * 10, f"seed {seed}"
    limiter.close()


def test_after_a_refusal_nobody_sends_before_the_reset(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "limits.sqlite"
    mine = RateLimiter(path, now=clock.now, sleep=clock.sleep)
    other = RateLimiter(path, now=clock.now, sleep=clock.sleep)
    started = clock.time
    slot = mine.acquire("user")
    mine.release("user", slot, RateLimitStatus(1000, 0, 42.0), refused=True)
    other.acquire("another user")
    assert clock.time == started
    other.acquire("user")
    assert started + 42 <= clock.time < started + 43
    mine.close()
    other.close()


def test_a_slot_whose_process_died_is_free_again_later(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "limits.sqlite"
    for _ in range(2):
        limiter = RateLimiter(path, now=clock.now, sleep=clock.sleep)
        slot = limiter.acquire("user")
        limiter.release("user", slot, RateLimitStatus(1, None, None), refused=False)
        limiter.close()
    limiter = RateLimiter(path, now=clock.now, sleep=clock.sleep)
    limiter.acquire("user")  # never released
    started = clock.time
    limiter.acquire("user")
    assert 200 < clock.time - started < 250
    limiter.close()


def test_the_file_names_no_credential(tmp_path: Path) -> None:
    path = tmp_path / "limits.sqlite"
    limiter = RateLimiter(path)
    limiter.release("shop001", limiter.acquire("shop001"), refused=False)
    limiter.close()
    assert b"shop001" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


OPENER = """
import sys
from pathlib import Path
from emarsys_pipeline.emarsys import RateLimiter
sys.stdin.readline()
limiter = RateLimiter(Path(sys.argv[1]))
limiter.release("user", limiter.acquire("user"), refused=False)
limiter.close()
"""


@pytest.mark.slow
def test_processes_may_open_a_new_file_at_the_same_moment(tmp_path: Path) -> None:
    path = tmp_path / "new" / "limits.sqlite"
    openers = [
        subprocess.Popen(  # noqa: S603 our own code
            [sys.executable, "-c", OPENER, str(path)], stdin=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    time.sleep(2)  # all have imported what they need
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("go\n")
        opener.stdin.flush()
    for opener in openers:
        opener.communicate()
    assert [opener.returncode for opener in openers] == [0] * 6


def test_the_client_waits_for_the_servers_reset(server: ScriptedServer) -> None:
    reset = str(int(time.time()) + 2)
    server.answer_with(
        envelope(7003, "Too many requests", status=429, headers={"X-RateLimit-Reset": reset}),
        ok([]),
    )
    patient = RetrySettings(wait_factor=0.001, jitter=0)
    credentials = WsseCredentials("u", "s")
    with EmarsysClient(credentials, base_url=server.url, retries=patient) as client:
        client.list_segments()
    assert time.time() >= int(reset)
    assert len(server.requests) == 2


def test_what_the_server_says_is_kept(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(
        ok(
            [],
            {
                "Date": "Thu, 15 Jan 2026 08:00:00 GMT",
                "X-RateLimit-Limit": "1000",
                "X-Ratelimit-Remaining": "731",
                "X-RateLimit-Reset": "1768464011",
            },
        )
    )
    client.list_segments()
    assert client.rate_limit == RateLimitStatus(1000, 731, 11)


WORKER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from emarsys_pipeline.emarsys import EmarsysClient, RateLimiter, WsseCredentials

url, path, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
limiter = RateLimiter(path, window_seconds=1.0)
deadline = monotonic() + seconds

def work(client):
    while monotonic() < deadline:
        client.list_segments()

with EmarsysClient(WsseCredentials("u", "s"), base_url=url, rate_limiter=limiter) as client:
    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(work, client) for _ in range(3)]:
            done.result()
limiter.close()
"""


@pytest.mark.slow
def test_threads_and_processes_share_one_limit(server: ScriptedServer, tmp_path: Path) -> None:
    limit, seconds = 40, 6
    server.answer_with(ok([], {"X-RateLimit-Limit": str(limit)}))
    path = tmp_path / "limits.sqlite"
    # the limit is known from an earlier reply, as in any process but the very first
    limiter = RateLimiter(path, window_seconds=1.0)
    credentials = WsseCredentials("u", "s")
    with EmarsysClient(
        credentials, base_url=server.url, rate_limiter=limiter, retries=FAST
    ) as client:
        client.list_segments()
    limiter.close()
    workers = [
        subprocess.Popen(  # noqa: S603 our own code
            [sys.executable, "-c", WORKER, server.url, str(path), str(seconds)]
        )
        for _ in range(3)
    ]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    times = [request.at for request in server.requests]
    assert most_in_a_window(times, 1.0) <= limit
    middle = [moment for moment in times if times[0] + 2 <= moment < times[0] + 5]
    assert len(middle) >= 0.8 * limit * 3  # a window is only a second here, so latency weighs more
