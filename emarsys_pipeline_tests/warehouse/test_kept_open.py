"""One opening for many transactions: each is still its own, and nobody waits for long."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emarsys_pipeline.warehouse import kept_file, publish
from emarsys_pipeline_tests.warehouse.processes import (
    PATIENCE_SECONDS,
    finish,
    kill,
    sleep_for_ever,
    start,
    started,
    wait_for,
)
from emarsys_pipeline_tests.warehouses import Warehouse


def open_quietly(directory: Path) -> Warehouse:
    return Warehouse(directory, publish_interval_seconds=3600)


def make_numbers(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        connection.execute("create table numbers (number integer)")


def add(warehouse: Warehouse, number: int) -> None:
    with warehouse.write() as connection:
        connection.execute("insert into numbers (number) values ($number)", {"number": number})


def add_and_fail(warehouse: Warehouse, number: int) -> None:
    with warehouse.write() as connection:
        connection.execute("insert into numbers (number) values ($number)", {"number": number})
        raise ValueError(number)


def numbers(warehouse: Warehouse) -> list[int]:
    with warehouse.read() as connection:
        found = connection.execute("select number from numbers order by number").fetchall()
    return [number for (number,) in found]


def stay_between(directory: Path, marker: Path) -> None:
    """Be killed after two commits, with everything still open."""
    warehouse = open_quietly(directory)
    with warehouse.kept_open():
        add(warehouse, 1)
        with warehouse.write() as connection:
            connection.execute("alter table numbers add column doubled integer")
            connection.execute("delete from numbers")
            connection.execute("insert into numbers values (1, 2), (2, 4)")
        sleep_for_ever(marker)


def stay_inside(directory: Path, marker: Path) -> None:
    """Be killed in the third transaction."""
    warehouse = open_quietly(directory)
    with warehouse.kept_open():
        add(warehouse, 1)
        add(warehouse, 2)
        with warehouse.write() as connection:
            connection.execute("delete from numbers")
            sleep_for_ever(marker)


def keep_going(directory: Path, marker: Path, stop: Path) -> None:
    """Write without a pause in one opening; turns are short here, to see many of them."""
    kept_file.TURN_SECONDS = 0.2
    warehouse = open_quietly(directory)
    with warehouse.kept_open():
        add(warehouse, 0)
        marker.touch()
        while not stop.exists():
            add(warehouse, 0)


@pytest.fixture
def file(tmp_path: Path) -> Warehouse:
    """A warehouse in a file, published once an hour."""
    made = open_quietly(tmp_path / "file")
    made.migrate()
    make_numbers(made)
    return made


def test_transactions_commit_and_roll_back_each_for_itself(warehouse: Warehouse) -> None:
    make_numbers(warehouse)
    with warehouse.kept_open():
        add(warehouse, 1)
        with pytest.raises(ValueError, match="2"):
            add_and_fail(warehouse, 2)
        add(warehouse, 3)
        assert numbers(warehouse) == [1, 3]
        add(warehouse, 4)
    assert numbers(warehouse) == [1, 3, 4]


@pytest.mark.parametrize("child", [stay_between, stay_inside])
def test_what_was_committed_outlives_a_kill_while_it_is_kept_open(
    warehouse: Warehouse, tmp_path: Path, child: Callable[..., None]
) -> None:
    make_numbers(warehouse)
    with started(child, warehouse.directory, tmp_path / "reached") as process:
        wait_for(tmp_path / "reached")
        kill(process)
    assert numbers(warehouse) == [1, 2]
    add(warehouse, 3)
    assert numbers(warehouse) == [1, 2, 3]


def test_another_process_gets_its_turn_while_one_keeps_going(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    make_numbers(warehouse)
    going, stop = tmp_path / "going", tmp_path / "stop"
    child = start(keep_going, warehouse.directory, going, stop)
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        wait_for(going)
        met: set[int] = set()
        while len(met) < 5:  # it wrote on between our turns
            assert child.is_alive()
            asked = time.monotonic()
            met.add(len(numbers(warehouse)))
            assert time.monotonic() - asked < PATIENCE_SECONDS / 4
            assert time.monotonic() < deadline
    finally:
        stop.touch()
    finish(child)


def test_other_threads_wait_for_the_end_of_a_short_block(file: Warehouse) -> None:
    order = []

    def read() -> None:
        numbers(file)
        order.append("read")

    reader = threading.Thread(target=read)
    with file.kept_open():
        add(file, 1)
        reader.start()
        time.sleep(0.1)
        add(file, 2)
        order.append("written")
    reader.join()
    assert order == ["written", "read"]


def test_a_block_that_uses_nothing_keeps_nobody_waiting(file: Warehouse) -> None:
    with file.kept_open():
        reader = threading.Thread(target=numbers, args=(file,))
        reader.start()
        reader.join(PATIENCE_SECONDS)
        assert not reader.is_alive()


def test_a_connection_finds_nothing_of_the_one_before(file: Warehouse) -> None:
    settings = (
        "select current_setting('threads'), current_setting('memory_limit'),"
        " current_setting('TimeZone')"
    )

    def found() -> list[tuple[object, ...]]:
        with file.write() as connection:
            before = connection.execute(settings).fetchall()
            connection.execute("set threads = 1")
            connection.execute("set memory_limit = '100MB'")
            connection.execute("set TimeZone = 'America/New_York'")
            connection.execute("create temp table passing as select 1 as one")
        return before

    usual = found()
    with file.kept_open():
        assert [found(), found()] == [usual, usual]
    assert found() == usual


def test_opening_within_a_transaction_stays_an_error(file: Warehouse) -> None:
    def write_in_a_write() -> None:
        with file.write(), file.write():
            pass

    def keep_open_in_a_write() -> None:
        with file.write(), file.kept_open():
            pass

    with file.kept_open():
        add(file, 1)
        with pytest.raises(RuntimeError, match="has the warehouse open already"):
            write_in_a_write()
        with pytest.raises(RuntimeError, match="keeps the warehouse open already"):
            file.kept_open().__enter__()
        add(file, 2)
    with pytest.raises(RuntimeError, match="has the warehouse open already"):
        keep_open_in_a_write()
    assert numbers(file) == [1, 2]


def test_each_commit_is_published_when_it_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = Warehouse(tmp_path / "warehouse", publish_interval_seconds=0)
    warehouse.migrate()

    def add_kind(kind: str) -> list[str]:
        with warehouse.write() as connection:
            connection.execute(
                "insert into emarsys_fields select 'shop', now(), $kind, $kind, $kind, $kind",
                {"kind": kind},
            )
        with warehouse.read_published() as connection:
            rows = connection.execute("select name from emarsys_fields order by name").fetchall()
        return [name for (name,) in rows]

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    with warehouse.kept_open():
        assert add_kind("a") == ["a"]
        assert add_kind("b") == ["a", "b"]
        with monkeypatch.context() as patch:
            # Halfway: the copy is attached to the instance.
            patch.setattr(publish, "_copy_statement", fail)
            with pytest.raises(OSError, match="disk is full"):
                add_kind("c")
        assert add_kind("d") == ["a", "b", "c", "d"]


def test_writing_the_file_anew_within_the_block_leaves_no_deleted_bytes(file: Warehouse) -> None:
    with file.write() as connection:
        connection.execute("create table texts as select 'to-be-forgotten' as text")
    with file.kept_open():
        with file.write() as connection:
            connection.execute("delete from texts")
        file.rewrite()
        add(file, 1)
        add(file, 2)
    assert numbers(file) == [1, 2]
    assert [each.name for each in file.directory.glob("warehouse*")] == ["warehouse.duckdb"]
    assert b"to-be-forgotten" not in (file.directory / "warehouse.duckdb").read_bytes()
