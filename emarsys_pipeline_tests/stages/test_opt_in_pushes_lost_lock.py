"""Who has lost an account's push lock sends nothing more, wherever in its work it lost it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.warehouse import HeldLock, LockLostError
from emarsys_pipeline_tests.stages.pushing import GRANTED, WITHDRAWN, Outbox
from emarsys_pipeline_tests.warehouses import Warehouse

SIZE = 4


class LockLostAt:
    """A lock that is lost when it is looked at for the ``last``-th time."""

    def __init__(self, last: int) -> None:
        self.left = last

    def check(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise LockLostError("the session that held the lock has ended")


@pytest.fixture
def outbox(warehouse: Warehouse, sandbox: Sandbox, client: EmarsysClient, tmp_path: Path) -> Outbox:
    return Outbox.make(warehouse, sandbox, client, tmp_path, SIZE)


def lose_at(monkeypatch: pytest.MonkeyPatch, warehouse: Warehouse, last: int) -> None:
    @contextmanager
    def push_lock(_account: str) -> Iterator[HeldLock]:
        yield LockLostAt(last)

    monkeypatch.setattr(warehouse, "push_lock", push_lock)


# Looked at when orphans are adopted, then for each request when its intents are committed and
# before it is sent.
@pytest.mark.parametrize(
    ("last", "written", "intended"),
    [(1, 0, 0), (2, 0, 0), (3, 0, 2), (4, 2, 2), (5, 2, 4)],
    ids=["at first", "first intents", "first request", "next intents", "next request"],
)
def test_nothing_is_sent_after_the_lock_is_lost(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, last: int, written: int, intended: int
) -> None:
    outbox.decide(GRANTED)
    with monkeypatch.context() as lost:
        lose_at(lost, outbox.warehouse, last)
        with pytest.raises(LockLostError):
            outbox.push(batch_size=2)
    assert list(outbox.held().values()).count(GRANTED) == written
    assert len(outbox.attempts()) == intended
    # The next holder finds out what became of what was intended, and sends the rest.
    outbox.decide(WITHDRAWN, outbox.contact_ids[:1])
    for _ in range(3):
        outbox.push()
        outbox.minutes += 2
    outbox.assert_settled()


def test_a_request_is_not_repeated_after_the_lock_is_lost(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("rate_limited", "PUT contact", times=1, wait_seconds=0)
    before = outbox.client.calls
    with monkeypatch.context() as lost:
        lose_at(lost, outbox.warehouse, 4)
        with pytest.raises(LockLostError):
            outbox.push()
    assert outbox.client.calls == before + 1
    assert set(outbox.held().values()) <= {None, ""}
