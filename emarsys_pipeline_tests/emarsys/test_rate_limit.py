"""The rate limit: never more than allowed in any window, and most of it used."""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from emarsys_pipeline.emarsys import (
    EmarsysClient,
    RateLimiter,
    RetrySettings,
    WsseCredentials,
    deploy_slots,
)
from emarsys_pipeline.emarsys.rate_limit import RateLimitStatus
from emarsys_pipeline.emarsys.rate_limit_stores import Statements
from emarsys_pipeline.postgresql import Database
from emarsys_pipeline_tests.emarsys.conftest import FAST
from emarsys_pipeline_tests.emarsys.scripted_server import ScriptedServer, envelope, ok
from emarsys_pipeline_tests.places import PLACES, Place, as_text
from emarsys_pipeline_tests.postgresql import start_postgresql
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where processes share a rate limit: a file, or tables in a database."""
    if request.param == "file":
        return tmp_path / "new" / "limits.sqlite"
    schema: Database = request.getfixturevalue("new_schema")()
    deploy_slots(schema)
    return schema


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


def test_after_a_refusal_nobody_sends_before_the_reset(place: Place) -> None:
    clock = Clock()
    mine = RateLimiter(place, now=clock.now, sleep=clock.sleep)
    other = RateLimiter(place, now=clock.now, sleep=clock.sleep)
    started = clock.time
    slot = mine.acquire("user")
    mine.release("user", slot, RateLimitStatus(1000, 0, 42.0), refused=True)
    other.acquire("another user")
    assert clock.time == started
    other.acquire("user")
    assert started + 42 <= clock.time < started + 43
    mine.close()
    other.close()


def test_a_slot_whose_process_died_is_free_again_later(place: Place) -> None:
    clock = Clock()
    for _ in range(2):
        limiter = RateLimiter(place, now=clock.now, sleep=clock.sleep)
        slot = limiter.acquire("user")
        limiter.release("user", slot, RateLimitStatus(1, None, None), refused=False)
        limiter.close()
    limiter = RateLimiter(place, now=clock.now, sleep=clock.sleep)
    limiter.acquire("user")  # never released
    started = clock.time
    limiter.acquire("user")
    assert 200 < clock.time - started < 250
    limiter.close()


def test_nothing_names_a_credential(place: Place) -> None:
    limiter = RateLimiter(place)
    status = RateLimitStatus(1000, 0, 1.0)
    limiter.release("shop001", limiter.acquire("shop001"), status, refused=True)

    def rows(connection: Statements) -> str:
        held = [
            *connection.execute("select * from slots").fetchall(),
            *connection.execute("select * from limits").fetchall(),
        ]
        assert len(held) == 2
        return str(held)

    assert "shop001" not in limiter._store.run("x", rows)
    limiter.close()
    if isinstance(place, Path):
        assert b"shop001" not in b"".join(file.read_bytes() for file in place.parent.iterdir())


OPENER = """
import sys
from emarsys_pipeline.emarsys import RateLimiter
from emarsys_pipeline_tests.places import from_text
sys.stdin.readline()
limiter = RateLimiter(from_text(sys.argv[1]))
limiter.release("user", limiter.acquire("user"), refused=False)
limiter.close()
"""


@pytest.mark.slow
def test_processes_may_open_a_new_place_at_the_same_moment(place: Place) -> None:
    openers = [
        subprocess.Popen(  # noqa: S603 our own code
            [sys.executable, "-c", OPENER, as_text(place)], stdin=subprocess.PIPE, text=True
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
from time import monotonic
from emarsys_pipeline.emarsys import EmarsysClient, RateLimiter, WsseCredentials
from emarsys_pipeline_tests.places import from_text

url, place, seconds = sys.argv[1], from_text(sys.argv[2]), float(sys.argv[3])
limiter = RateLimiter(place, window_seconds=1.0)
deadline = monotonic() + seconds

def work(client):
    sent = 0
    while monotonic() < deadline:
        client.list_segments()
        sent += 1
    return sent

with EmarsysClient(WsseCredentials("u", "s"), base_url=url, rate_limiter=limiter) as client:
    with ThreadPoolExecutor(3) as threads:
        print(sum(done.result() for done in [threads.submit(work, client) for _ in range(3)]))
limiter.close()
"""


@pytest.mark.slow
def test_threads_and_processes_share_one_limit(server: ScriptedServer, place: Place) -> None:
    limit, seconds = 40, 6
    server.answer_with(ok([], {"X-RateLimit-Limit": str(limit)}))
    # the limit is known from an earlier reply, as in any process but the very first
    limiter = RateLimiter(place, window_seconds=1.0)
    credentials = WsseCredentials("u", "s")
    with EmarsysClient(
        credentials, base_url=server.url, rate_limiter=limiter, retries=FAST
    ) as client:
        client.list_segments()
    limiter.close()
    workers = [
        subprocess.Popen(  # noqa: S603 our own code
            [sys.executable, "-c", WORKER, server.url, as_text(place), str(seconds)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    sent = [int(worker.communicate(timeout=60)[0]) for worker in workers]
    # Nobody is starved by the others.
    assert min(sent) >= sum(sent) / len(sent) / 2
    times = [request.at for request in server.requests]
    assert most_in_a_window(times, 1.0) <= limit
    middle = [moment for moment in times if times[0] + 2 <= moment < times[0] + 5]
    assert len(middle) >= 0.8 * limit * 3  # a window is only a second here, so latency weighs more


@needs(POSTGRESQL)
def test_a_restart_of_the_database_is_waited_for() -> None:
    server = start_postgresql()
    try:
        limits = Database(server.address(), "limits")
        deploy_slots(limits)
        limiter = RateLimiter(limits)
        slot = limiter.acquire("user")
        server.stop("immediate")
        starting = threading.Timer(0.5, server.start)
        starting.start()
        limiter.release("user", slot, refused=False)
        starting.join()
        server.stop("immediate")
        server.start()
        limiter.release("user", limiter.acquire("user"), refused=False)
        limiter.close()
    finally:
        server.remove()
