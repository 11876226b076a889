"""Pushing from several real processes, and from processes that are killed."""

import random
import time
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.stages.opt_in_pushes import push
from emarsys_pipeline_tests.stages.pushing import (
    GRANTED,
    QUICK,
    WITHDRAWN,
    Outbox,
    open_client,
    push_with,
)
from emarsys_pipeline_tests.warehouse.processes import (
    finish,
    kill,
    sleep_for_ever,
    start,
    started,
    wait_for,
)
from emarsys_pipeline_tests.warehouses import Warehouse

PUT = "PUT contact"
SIZE = 12
Place = tuple[Path, Path, str, str, str]


@pytest.fixture
def outbox(warehouse: Warehouse, sandbox: Sandbox, client: EmarsysClient, tmp_path: Path) -> Outbox:
    return Outbox.make(warehouse, sandbox, client, tmp_path, SIZE)


def place_of(outbox: Outbox) -> Place:
    sandbox = outbox.sandbox
    directory, inbox = outbox.warehouse.directory, outbox.inbox.place
    assert isinstance(inbox, Path)
    return directory, inbox, sandbox.url, sandbox.username, sandbox.secret


def push_from(place: Place, batch_size: int = 4) -> None:
    directory, inbox, url, username, secret = place
    warehouse = Warehouse(directory, publish_interval_seconds=3600)
    pushes = QUICK.model_copy(update={"batch_size": batch_size})
    with open_client(url, username, secret) as client, Inbox(inbox) as messages:
        push_with(warehouse, client, messages, pushes)


def push_until(place: Place, stop: Path) -> None:
    """Push again and again, as two daemons by mistake would."""
    while not stop.exists():
        push_from(place)


def stay_before_sending(place: Place, marker: Path) -> None:
    """Be killed between the intent and the request."""
    EmarsysClient.update_contacts = lambda *_, **__: sleep_for_ever(marker)  # type: ignore[method-assign,assignment]
    push_from(place)


def stay_before_recording(place: Place, marker: Path) -> None:
    """Be killed between the answer and its record."""
    push._record_outcomes = lambda *_: sleep_for_ever(marker)
    push_from(place)


def stay_in_second_request(place: Place, marker: Path) -> None:
    """Be killed after some batches are done."""
    update, calls = EmarsysClient.update_contacts, []

    def stay_at_second(*args: Any, **more: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            sleep_for_ever(marker)
        return update(*args, **more)

    EmarsysClient.update_contacts = stay_at_second  # type: ignore[method-assign]
    push_from(place)


def assert_completed(outbox: Outbox) -> None:
    """Some people change their minds, and then it becomes quiet."""
    outbox.decide(WITHDRAWN, outbox.contact_ids[::2])
    finish(start(push_from, place_of(outbox)))
    outbox.minutes = 10
    outbox.push()
    outbox.assert_settled()
    outbox.assert_one_request_at_a_time()


@pytest.mark.parametrize(
    "child", [stay_before_sending, stay_before_recording, stay_in_second_request]
)
def test_the_next_run_completes_what_a_killed_one_began(
    outbox: Outbox, tmp_path: Path, child: Any
) -> None:
    outbox.decide(GRANTED)
    with started(child, place_of(outbox), tmp_path / "reached") as process:
        wait_for(tmp_path / "reached")
        kill(process)
    assert "sending" in {row[3] for row in outbox.attempts()}
    assert_completed(outbox)


def test_a_request_in_flight_when_its_sender_is_killed_is_settled(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("slow_answer", PUT, wait_seconds=20)
    with started(push_from, place_of(outbox)) as process:
        while not outbox.sandbox.faults()[0]["met"]:
            time.sleep(0.02)
        kill(process)
    assert_completed(outbox)


def test_a_request_of_a_killed_sender_is_not_judged_before_it_can_have_ended(
    outbox: Outbox, tmp_path: Path
) -> None:
    outbox.decide(GRANTED)
    with started(stay_before_sending, place_of(outbox), tmp_path / "reached") as process:
        wait_for(tmp_path / "reached")
        kill(process)
    with outbox.warehouse.write() as connection:
        connection.execute("update opt_in_pushes set intended_at = intended_at - interval 1 hour")
    outbox.push(settle_after_seconds=60)
    waiting = [row[3] for row in outbox.attempts() if row[3] != "accepted"]
    assert waiting == ["unknown"] * 4


@pytest.mark.slow
def test_a_pusher_killed_at_any_moment_loses_and_overtakes_nothing(outbox: Outbox) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)  # noqa: S311 - no secret
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("slow_answer", PUT, times=None, wait_seconds=0.1)
    for _ in range(4):
        with started(push_from, place_of(outbox)) as process:
            process.join(chance.uniform(0.02, 1.1))
            process.kill()
            process.join()
    outbox.sandbox.clear_faults()
    assert_completed(outbox)


@pytest.mark.slow
def test_two_pushers_at_once_never_share_a_contact_nor_go_back(
    outbox: Outbox, tmp_path: Path
) -> None:
    stop, place = tmp_path / "stop", place_of(outbox)
    outbox.sandbox.set_fault("slow_answer", PUT, times=None, wait_seconds=0.05)
    outbox.decide(GRANTED)
    children = [start(push_until, place, stop) for _ in range(2)]
    try:
        while not outbox.writes():
            time.sleep(0.02)
        for position in range(0, SIZE, 2):
            outbox.decide(WITHDRAWN, outbox.contact_ids[position : position + 2])
            time.sleep(0.15)
    finally:
        stop.touch()
    finish(*children)
    outbox.sandbox.clear_faults()
    outbox.push()
    outbox.assert_settled()
    outbox.assert_one_request_at_a_time()
