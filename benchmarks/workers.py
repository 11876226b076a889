"""How much more several workers import than one, of independent accounts into one lake.

Each worker is a process, as a worker's slot is; it takes one account after the other and does what
a run does: lands the segment's export, maps it, makes it current. The lake's catalogue is in a
PostgreSQL of its own, its files are in a folder. Two situations, since they decide what to expect:

- exports are there at once: workers compete for processors and for the one writer's lock;
- Emarsys takes its time to make an export (``--export-seconds``): workers wait beside each other.

The writer's share is the part of the time in which some worker held the lake's write lock: at
100 % more workers bring nothing, however many processors there are.

Run it with ``python -m benchmarks.workers``; ``--contacts 2000 --accounts 4`` makes it quick.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import duckdb

from benchmarks.import_account import ACCOUNT, TYPES, WINDOW, FileAccount, write_exports
from emarsys_pipeline.emarsys import EmarsysClient, ExportStatus
from emarsys_pipeline.settings import ImportSettings
from emarsys_pipeline.stages.mapped_contacts import map_segment
from emarsys_pipeline.stages.raw_segment_exports import SegmentImported, import_account
from emarsys_pipeline.warehouse import LakeLocation, Warehouse
from emarsys_pipeline_tests.postgresql import start_postgresql

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

CONTACTS, ACCOUNTS = 20_000, 8
WORKERS = (1, 2, 4)
EXPORT_SECONDS = 8.0
START_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What all workers share.

    Attributes:
        lake: where they write.
        exports: the folder of the segments' files, one for each account.
        contacts: in each of them.
        export_seconds: how long Emarsys takes to make one.
    """

    lake: LakeLocation
    exports: Path
    contacts: int
    export_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What one worker, or all, did; in seconds."""

    accounts: int
    cpu: float
    waiting: float
    writing: float


class _SlowAccount(FileAccount):
    """An account whose exports take their time, as those of Emarsys do."""

    def __init__(self, work: Work) -> None:
        super().__init__(work.exports, work.contacts)
        self._seconds = work.export_seconds

    def wait_for_export(self, export_id: str, **more: Any) -> ExportStatus:
        """Done after as many seconds as Emarsys takes."""
        time.sleep(self._seconds)
        return super().wait_for_export(export_id, **more)


class _TimedWarehouse(Warehouse):
    """A warehouse that notes how long it waited for the lock and how long it held it."""

    waiting = writing = 0.0

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        asked = time.monotonic()
        granted = asked
        try:
            with super().write() as connection:
                granted = time.monotonic()
                yield connection
        finally:
            self.waiting += granted - asked
            self.writing += time.monotonic() - granted


def _worker(work: Work, numbers: Queue[int | None], together: Barrier, results: Any) -> None:
    warehouse = _TimedWarehouse(work.lake)
    warehouse.prepare()
    together.wait(START_SECONDS)
    started, accounts = time.process_time(), 0
    while (number := numbers.get()) is not None:
        _import(warehouse, work, number)
        accounts += 1
    results.put(
        Worked(
            accounts=accounts,
            cpu=time.process_time() - started,
            waiting=warehouse.waiting,
            writing=warehouse.writing,
        )
    )


def _import(warehouse: Warehouse, work: Work, number: int) -> None:
    account = ACCOUNT.model_copy(update={"name": f"shop_{number}"})
    segment = str(number)
    outcome = import_account(
        *(warehouse, cast("EmarsysClient", _SlowAccount(work)), account, [segment], WINDOW),
        imports=ImportSettings(),
        downloads=work.exports / "downloads",
        run_id=f"run {number}",
    )[segment]
    if not isinstance(outcome, SegmentImported) or outcome.rows_delivered != work.contacts:
        raise SystemExit(f"account {account.name} did not land: {outcome}")
    mapped = map_segment(
        warehouse, account, segment, WINDOW, property_types=TYPES, run_id=f"run {number}"
    )
    if mapped.new != work.contacts:
        raise SystemExit(f"account {account.name} was not mapped: {mapped}")


def measure(work: Work, accounts: int, workers: int) -> tuple[float, Worked]:
    """The seconds that so many workers need for all accounts, and what they did in them."""
    warehouse = Warehouse(work.lake)
    warehouse.migrate()
    context = multiprocessing.get_context("spawn")
    numbers, results, together = context.Queue(), context.Queue(), context.Barrier(workers + 1)
    for number in [*range(1, accounts + 1), *[None] * workers]:
        numbers.put(number)
    processes = [
        context.Process(target=_worker, args=(work, numbers, together, results))
        for _ in range(workers)
    ]
    for process in processes:
        process.start()
    together.wait(START_SECONDS)
    started = time.monotonic()
    found: list[Worked] = [results.get() for _ in processes]
    seconds = time.monotonic() - started
    for process in processes:
        process.join()
    with warehouse.read() as connection:
        ((rows,),) = connection.execute("select count(*) from current_contacts").fetchall()
    if rows != accounts * work.contacts:
        raise SystemExit(f"the lake holds {rows} contacts and not {accounts * work.contacts}")
    return seconds, Worked(
        accounts=sum(each.accounts for each in found),
        cpu=sum(each.cpu for each in found),
        waiting=sum(each.waiting for each in found),
        writing=sum(each.writing for each in found),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Throughput of several workers on one lake.")
    parser.add_argument("--contacts", type=int, default=CONTACTS, help="of each account")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument(
        "--export-seconds",
        type=float,
        nargs="+",
        default=(0.0, EXPORT_SECONDS),
        help="how long Emarsys takes to make an export; one table for each",
    )
    asked = parser.parse_args(arguments)
    say(
        f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, "
        f"duckdb {duckdb.__version__}, {asked.accounts} accounts of {asked.contacts:,} contacts"
    )
    server = start_postgresql()
    try:
        with TemporaryDirectory(prefix="workers-") as folder:
            exports = Path(folder) / "exports"
            exports.mkdir()
            write_exports(exports, asked.contacts, asked.accounts)
            for seconds in asked.export_seconds:
                _table(server.address(), Path(folder), exports, asked, seconds)
    finally:
        server.remove()
    return 0


def _table(database: str, folder: Path, exports: Path, asked: Any, export_seconds: float) -> None:
    say(f"\nan export takes {export_seconds:g} s")
    say("workers  seconds  contacts/s  times one  CPU s  writer's share  waiting for it, s")
    first = 0.0
    for workers in asked.workers:
        name = f"lake_{workers}_{export_seconds:g}".replace(".", "_")
        lake = LakeLocation(database, f"{folder}/{name}/", catalogue_schema=name)
        Path(lake.data_path).mkdir()
        work = Work(
            lake=lake, exports=exports, contacts=asked.contacts, export_seconds=export_seconds
        )
        seconds, done = measure(work, asked.accounts, workers)
        first = first or seconds
        contacts = asked.accounts * asked.contacts
        say(
            f"{workers:>7}  {seconds:>7.1f}  {contacts / seconds:>10,.0f}  "
            f"{first / seconds:>9.2f}  {done.cpu:>5.1f}  {done.writing / seconds:>14.0%}  "
            f"{done.waiting:>17.1f}"
        )


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
