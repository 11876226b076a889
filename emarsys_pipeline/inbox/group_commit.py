"""Many requests, one wait for the disk.

A thread takes everything that is waiting, keeps it in one transaction and then answers each. While
the disk works the next group gathers, so a busy service writes larger groups and an idle one
answers at once.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from emarsys_pipeline.inbox.keeping import Delivery, PutResult
from emarsys_pipeline.inbox.queue import Inbox

MAX_DELIVERIES_PER_COMMIT = 1000
MAX_WAITING_DELIVERIES = 2000

logger = logging.getLogger(__name__)


class OverloadedError(Exception):
    """More is waiting for the disk than can be kept in memory."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction: how many deliveries shared it and how long it took."""

    deliveries: int
    seconds: float


class GroupCommit:
    """Keeps deliveries in groups; a future is done when its delivery is durable."""

    def __init__(self, inbox: Inbox, on_commit: Callable[[Commit], None] = lambda _: None) -> None:
        self._inbox = inbox
        self._on_commit = on_commit
        self._waiting: queue.Queue[tuple[Delivery, Future[PutResult]] | None] = queue.Queue(
            MAX_WAITING_DELIVERIES
        )
        self._thread = threading.Thread(target=self._run, name="inbox-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, then end."""
        self._waiting.put(None)
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether deliveries are being written."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """How many deliveries wait, about."""
        return self._waiting.qsize()

    def submit(self, delivery: Delivery) -> "Future[PutResult]":
        """Hand over a delivery; the future ends with its result, or with the writer's error.

        Raises:
            OverloadedError: too many are waiting.
        """
        future: Future[PutResult] = Future()
        try:
            self._waiting.put_nowait((delivery, future))
        except queue.Full:
            raise OverloadedError from None
        return future

    def _run(self) -> None:
        is_running = True
        while is_running:
            group, is_running = self._next_group()
            if group:
                self._write(group)

    def _next_group(self) -> tuple[list[tuple[Delivery, Future[PutResult]]], bool]:
        group: list[tuple[Delivery, Future[PutResult]]] = []
        item = self._waiting.get()
        while item is not None:
            group.append(item)
            if len(group) == MAX_DELIVERIES_PER_COMMIT:
                return group, True
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _write(self, group: list[tuple[Delivery, Future[PutResult]]]) -> None:
        started = time.monotonic()
        # A sender that hung up is not told, but what it sent is kept all the same.
        listeners = [future.set_running_or_notify_cancel() for _, future in group]
        try:
            results = self._inbox.put_deliveries([delivery for delivery, _ in group])
        except Exception as error:
            # Whatever it was, nothing of the group is durable, and every sender must hear so.
            logger.exception("could not keep %d deliveries", len(group))
            for (_, future), is_listening in zip(group, listeners, strict=True):
                if is_listening:
                    future.set_exception(error)
            return
        self._on_commit(Commit(len(group), time.monotonic() - started))
        for (_, future), is_listening, result in zip(group, listeners, results, strict=True):
            if is_listening:
                future.set_result(result)
