"""Telling the platform from several real processes, and from processes that are killed."""

import random
import time
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.messaging import MessagingClient
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.stages.contact_upsert_pushes import push
from emarsys_pipeline_tests.stages.upserting import PUT, QUICK, Crowd, push_with
from emarsys_pipeline_tests.warehouse.processes import (
    finish,
    kill,
    sleep_for_ever,
    start,
    started,
    wait_for,
)
from emarsys_pipeline_tests.warehouses import Warehouse

SIZE = 12
Place = tuple[Path, str, str]


@pytest.fixture
def crowd(warehouse: Warehouse, sandbox: Sandbox, tmp_path: Path) -> Crowd:
    return Crowd.make(warehouse, sandbox, SIZE, tmp_path)


def place_of(crowd: Crowd) -> Place:
    return crowd.warehouse.directory, crowd.sandbox.platform_url, crowd.sandbox.platform_key


def push_from(place: Place) -> None:
    directory, url, key = place
    warehouse = Warehouse(directory, publish_interval_seconds=3600)
    with MessagingClient(url, key, timeout_seconds=5) as client:
        push_with(warehouse, client, QUICK)


def push_until(place: Place, stop: Path) -> None:
    """Push again and again, as two daemons by mistake would."""
    while not stop.exists():
        push_from(place)


def stay_before_sending(place: Place, marker: Path) -> None:
    """Be killed between the intents and their requests."""
    push.send_batch = lambda *_: sleep_for_ever(marker)  # type: ignore[assignment,attr-defined]
    push_from(place)


def stay_before_recording(place: Place, marker: Path) -> None:
    """Be killed between the answers and their record."""
    push._record_outcomes = lambda *_: sleep_for_ever(marker)
    push_from(place)


def stay_in_sixth_request(place: Place, marker: Path) -> None:
    """Be killed inside a batch, after another one is done."""
    upsert, calls = MessagingClient.upsert_contact, []

    def stay_at_sixth(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 6:
            sleep_for_ever(marker)
        return upsert(*args)

    MessagingClient.upsert_contact = stay_at_sixth  # type: ignore[method-assign,assignment]
    push_from(place)


def assert_completed(crowd: Crowd) -> None:
    """Some people move, and then it becomes quiet."""
    crowd.move("Linz", crowd.contact_ids[::2])
    finish(start(push_from, place_of(crowd)))
    crowd.minutes = 10
    crowd.push()
    crowd.assert_settled()


@pytest.mark.parametrize(
    "child", [stay_before_sending, stay_before_recording, stay_in_sixth_request]
)
def test_the_next_run_completes_what_a_killed_one_began(
    crowd: Crowd, tmp_path: Path, child: Any
) -> None:
    with started(child, place_of(crowd), tmp_path / "reached") as process:
        wait_for(tmp_path / "reached")
        kill(process)
    assert "sending" in crowd.outcomes()
    assert_completed(crowd)
    crowd.assert_one_request_at_a_time()


def test_requests_in_flight_when_their_sender_is_killed_are_settled(crowd: Crowd) -> None:
    crowd.sandbox.set_fault("slow_answer", PUT, times=2, wait_seconds=20)
    with started(push_from, place_of(crowd)) as process:
        while not crowd.sandbox.faults()[0]["met"]:
            time.sleep(0.02)
        kill(process)
    assert "sending" in crowd.outcomes()
    crowd.sandbox.clear_faults()
    assert_completed(crowd)


def test_a_request_of_a_killed_sender_is_not_repeated_before_it_can_have_ended(
    crowd: Crowd, tmp_path: Path
) -> None:
    with started(stay_before_sending, place_of(crowd), tmp_path / "reached") as process:
        wait_for(tmp_path / "reached")
        kill(process)
    crowd.move("Linz")
    crowd.push(settle_after_seconds=60)
    assert crowd.outcomes() == {"unknown": 4, "pending": 4, "accepted": 8, "superseded": 8}
    crowd.minutes = 2
    crowd.push(settle_after_seconds=60)
    crowd.assert_settled()


@pytest.mark.slow
def test_a_pusher_killed_at_any_moment_loses_and_overtakes_nothing(crowd: Crowd) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)  # noqa: S311 - no secret
    crowd.sandbox.set_fault("slow_answer", PUT, times=None, wait_seconds=0.1)
    for _ in range(4):
        with started(push_from, place_of(crowd)) as process:
            process.join(chance.uniform(0.02, 1.1))
            process.kill()
            process.join()
    crowd.sandbox.clear_faults()
    assert_completed(crowd)


@pytest.mark.slow
def test_two_pushers_at_once_never_share_a_contact_nor_go_back(
    crowd: Crowd, tmp_path: Path
) -> None:
    stop, place = tmp_path / "stop", place_of(crowd)
    crowd.sandbox.set_fault("slow_answer", PUT, times=None, wait_seconds=0.05)
    children = [start(push_until, place, stop) for _ in range(2)]
    try:
        while not crowd.told():
            time.sleep(0.02)
        for position in range(0, SIZE, 3):
            crowd.move("Linz", crowd.contact_ids[position : position + 3])
    finally:
        stop.touch()
    finish(*children)
    crowd.sandbox.clear_faults()
    crowd.push()
    crowd.assert_settled()
    crowd.assert_one_request_at_a_time()
