"""One push worker per account, kept by PostgreSQL: real processes, and a session that is ended."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.inbox import Inbox, deploy_store
from emarsys_pipeline.postgresql import Database
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.warehouse import LockLostError
from emarsys_pipeline_tests.builders import GRID
from emarsys_pipeline_tests.locks import end_holders
from emarsys_pipeline_tests.places import Place
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs
from emarsys_pipeline_tests.stages.deciding import ACCOUNT
from emarsys_pipeline_tests.stages.pushing import (
    GRANTED,
    QUICK,
    WITHDRAWN,
    Outbox,
    open_client,
    push_with,
)
from emarsys_pipeline_tests.warehouse.processes import started, wait_for
from emarsys_pipeline_tests.warehouses import Warehouse, chosen_engine

PUT = "PUT contact"
SIZE = 6
LOST = 7


@pytest.fixture(scope="module", params=[pytest.param("lake", marks=needs(POSTGRESQL))])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    with chosen_engine(request) as name:
        yield name


@pytest.fixture
def outbox(
    warehouse: Warehouse,
    sandbox: Sandbox,
    client: EmarsysClient,
    tmp_path: Path,
    new_schema: Callable[[], Database],
) -> Outbox:
    place = new_schema()
    deploy_store(place)
    return Outbox.make(warehouse, sandbox, client, tmp_path, SIZE, place)


def push_one_by_one(
    directory: Path, inbox: Place, url: str, credentials: tuple[str, str], begun: Path
) -> None:
    """Drain the outbox as one machine of several; ends with its own code when it lost the lock."""
    begun.touch()
    pushes = QUICK.model_copy(update={"batch_size": 1, "settle_after_seconds": 1})
    with open_client(url, *credentials) as client, Inbox(inbox) as messages:
        try:
            push_with(Warehouse(directory, publish_interval_seconds=3600), client, messages, pushes)
        except LockLostError:
            raise SystemExit(LOST) from None


def machine(outbox: Outbox, begun: Path) -> tuple[object, ...]:
    sandbox = outbox.sandbox
    credentials = (sandbox.username, sandbox.secret)
    return outbox.warehouse.directory, outbox.inbox.place, sandbox.url, credentials, begun


@pytest.mark.slow
def test_a_worker_whose_session_ended_stops_and_another_goes_on(
    outbox: Outbox, tmp_path: Path
) -> None:
    """The first loses its lock while a request is on its way; the second has waited for it."""
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("slow_answer", PUT, times=None, wait_seconds=0.3)
    with (
        started(push_one_by_one, *machine(outbox, tmp_path / "first")) as first,
        started(push_one_by_one, *machine(outbox, tmp_path / "second")) as second,
    ):
        wait_for(tmp_path / "first")
        wait_for(tmp_path / "second")
        while len(outbox.writes()) < 2:
            assert first.is_alive()
            assert second.is_alive()
            time.sleep(0.02)
        # The one of them that pushes is ended in the middle, and its people change their minds.
        outbox.decide(WITHDRAWN)
        location = outbox.warehouse._engine._location  # type: ignore[attr-defined]
        name = f"push-{ACCOUNT.name}"
        assert end_holders(location.database, location.catalogue_schema, name) == 1
        ended_after = len(outbox.writes())
        for each in (first, second):
            each.join(60)
        assert sorted([first.exitcode, second.exitcode], key=str) == [0, LOST]
    outbox.sandbox.clear_faults()
    assert len(outbox.writes()) > ended_after
    outbox.minutes = 10
    outbox.push()
    outbox.assert_settled()
    outbox.assert_one_request_at_a_time()
    assert set(outbox.held().values()) == {WITHDRAWN}


def test_a_decision_received_by_a_clock_ahead_of_ours_is_not_overlooked(outbox: Outbox) -> None:
    """Just after the end of a window there, just before it here."""
    outbox.decide(GRANTED)
    after_the_window = GRID.at(utc_now()).end + timedelta(milliseconds=1)
    outbox.decide_at(WITHDRAWN, outbox.contact_ids[:1], after_the_window)
    outbox.push()
    outbox.assert_settled()
