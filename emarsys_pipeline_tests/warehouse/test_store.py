"""Transactions and the write lock, among threads and among real processes."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emarsys_pipeline.warehouse import overwrite_partition
from emarsys_pipeline.warehouse.locks import exclusive_lock
from emarsys_pipeline_tests.warehouse.processes import (
    finish,
    kill,
    sleep_for_ever,
    start,
    started,
    wait_for,
)
from emarsys_pipeline_tests.warehouses import Warehouse

WRITERS, ROUNDS = 3, 8


def open_quietly(directory: Path) -> Warehouse:
    return Warehouse(directory, publish_interval_seconds=3600)


def make_counter(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        connection.execute("create table counter as select 0 as value, 0 as writers")


def count_up(directory: Path, rounds: int) -> None:
    """Read, wait and write, so that two writers at a time would lose a count."""
    warehouse = open_quietly(directory)
    for _ in range(rounds):
        with warehouse.write() as connection:
            ((value,),) = connection.execute("select value from counter").fetchall()
            time.sleep(0.005)
            connection.execute("update counter set value = $value", {"value": value + 1})


def write_and_stay(directory: Path, marker: Path) -> None:
    with open_quietly(directory).write() as connection:
        connection.execute("update counter set value = 99")
        sleep_for_ever(marker)


def hold_push_lock(directory: Path, marker: Path) -> None:
    with open_quietly(directory).push_lock("shop"):
        sleep_for_ever(marker)


def value_of(warehouse: Warehouse) -> int:
    with warehouse.read() as connection:
        ((value,),) = connection.execute("select value from counter").fetchall()
    return int(value)


def test_a_block_that_raises_leaves_no_trace(warehouse: Warehouse) -> None:
    make_counter(warehouse)

    def fail_midway() -> None:
        with warehouse.write() as connection:
            connection.execute("update counter set value = 1")
            connection.execute("create table half_done (a integer)")
            connection.execute("alter table counter add column more integer")
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail_midway()

    with warehouse.read() as connection:
        assert connection.execute("from counter").fetchall() == [(0, 0)]
        tables = connection.execute(
            "select count(*) from duckdb_tables() where table_name = 'half_done'"
        )
        assert tables.fetchall() == [(0,)]


def test_a_statement_that_fails_is_the_error_that_is_seen(warehouse: Warehouse) -> None:
    make_counter(warehouse)

    def fail() -> None:
        with warehouse.write() as connection:
            connection.execute("update counter set value = 1")
            connection.execute("select error('no such luck')")

    with pytest.raises(Exception, match="no such luck"):
        fail()
    assert value_of(warehouse) == 0


def test_threads_write_one_at_a_time(warehouse: Warehouse) -> None:
    make_counter(warehouse)
    with ThreadPoolExecutor(WRITERS) as pool:
        for done in [pool.submit(count_up, warehouse.directory, ROUNDS) for _ in range(WRITERS)]:
            done.result()
    assert value_of(warehouse) == WRITERS * ROUNDS


def test_processes_write_one_at_a_time(warehouse: Warehouse) -> None:
    make_counter(warehouse)
    finish(*(start(count_up, warehouse.directory, ROUNDS) for _ in range(WRITERS)))
    assert value_of(warehouse) == WRITERS * ROUNDS


def test_a_killed_writer_leaves_nothing_and_blocks_nobody(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    make_counter(warehouse)
    with started(write_and_stay, warehouse.directory, tmp_path / "inside") as child:
        wait_for(tmp_path / "inside")
        kill(child)
    assert value_of(warehouse) == 0
    count_up(warehouse.directory, 1)
    assert value_of(warehouse) == 1


def test_rows_that_come_and_go_in_one_transaction_leave_no_trace(warehouse: Warehouse) -> None:
    """A lake that keeps small inserts in its catalogue answers 49 from their statistics."""
    with warehouse.write() as connection:
        connection.execute("create table numbers (number integer)")
    with warehouse.write() as connection:
        connection.execute("insert into numbers select range from range(50)")
        connection.execute("delete from numbers where number >= 10")
    with warehouse.read() as connection:
        assert connection.execute("select max(number) from numbers").fetchall() == [(9,)]
        assert connection.execute("select min(number) from numbers").fetchall() == [(0,)]


def test_a_reader_sees_one_commit_until_its_end(warehouse: Warehouse, engine: str) -> None:
    make_counter(warehouse)
    inside, order = threading.Event(), []

    def write_later() -> None:
        inside.wait()
        with warehouse.write() as connection:
            connection.execute("update counter set value = 7")
            order.append("written")

    writer = threading.Thread(target=write_later)
    writer.start()
    with warehouse.read() as connection:
        assert connection.execute("select value from counter").fetchall() == [(0,)]
        inside.set()
        if engine == "lake":
            writer.join()
        time.sleep(0.05)
        order.append("read")
        assert connection.execute("select value from counter").fetchall() == [(0,)]
    writer.join()
    assert value_of(warehouse) == 7
    # A file's writer waits for its readers.
    assert order == {"file": ["read", "written"], "lake": ["written", "read"]}[engine]


def test_opening_twice_in_one_thread_is_an_error_and_no_deadlock(warehouse: Warehouse) -> None:
    def nest() -> None:
        with warehouse.write(), warehouse.read():
            pass

    with pytest.raises(RuntimeError, match="has the warehouse open already"):
        nest()
    make_counter(warehouse)


def test_the_push_lock_goes_with_its_holder(warehouse: Warehouse, tmp_path: Path) -> None:
    taken: list[float] = []

    def take() -> None:
        with warehouse.push_lock("shop"):
            taken.append(time.monotonic())

    with started(hold_push_lock, warehouse.directory, tmp_path / "held") as child:
        wait_for(tmp_path / "held")
        waiting = threading.Thread(target=take)
        waiting.start()
        with warehouse.push_lock("other_shop"):
            pass
        time.sleep(0.1)
        assert taken == []
        kill(child)
    waiting.join()
    assert len(taken) == 1


def test_a_long_wait_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    inside = threading.Event()

    def hold() -> None:
        with exclusive_lock(tmp_path / "a.lock"):
            inside.set()
            time.sleep(1.2)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait()
    with exclusive_lock(tmp_path / "a.lock"):
        pass
    holder.join()
    assert [record.getMessage()[:8] for record in caplog.records] == ["waited 1"]


def test_a_partition_is_replaced_and_others_stay(warehouse: Warehouse) -> None:
    def overwrite(day: str, *values: int) -> int:
        with warehouse.write() as connection:
            return overwrite_partition(
                connection,
                "facts",
                {"day": day},
                "select unnest($values) as value, $day as day",
                {"values": list(values), "day": day},
            )

    with warehouse.write() as connection:
        connection.execute("create table facts (day varchar not null, value integer)")
    assert [overwrite("mon", 1, 2), overwrite("tue", 3), overwrite("mon", 2, 4, 5)] == [2, 1, 3]
    assert overwrite("mon", 2, 4, 5) == 3
    with warehouse.read() as connection:
        found = connection.execute("from facts order by all").fetchall()
    assert found == [("mon", 2), ("mon", 4), ("mon", 5), ("tue", 3)]
    assert overwrite("mon") == 0
    with warehouse.read() as connection:
        assert connection.execute("from facts").fetchall() == [("tue", 3)]
