"""What maintenance removes from a lake, and what it leaves; a file needs none."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from emarsys_pipeline import warehouse as warehouses
from emarsys_pipeline.warehouse import Maintained
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs
from emarsys_pipeline_tests.warehouses import Warehouse, chosen_engine

NOW = timedelta()
WEEK = timedelta(days=7)
COMMITS, ROWS = 5, 500


@pytest.fixture(scope="module", params=[pytest.param("lake", marks=needs(POSTGRESQL))])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    with chosen_engine(request) as name:
        yield name


def fill(warehouse: Warehouse) -> list[tuple[int, int]]:
    """Some commits with a file each, one small enough for the catalogue, and an overwrite."""
    with warehouse.write() as connection:
        connection.execute("create table numbers (window_number integer, value integer)")
    for window in range(COMMITS):
        write(warehouse, window, ROWS)
    write(warehouse, 0, ROWS)
    write(warehouse, COMMITS, 3)
    return rows_of(warehouse)


def write(warehouse: Warehouse, window: int, rows: int) -> None:
    with warehouse.write() as connection:
        connection.execute("delete from numbers where window_number = $w", {"w": window})
        connection.execute(
            "insert into numbers select $w, value from range($n) as numbers(value)",
            {"w": window, "n": rows},
        )


def rows_of(warehouse: Warehouse) -> list[tuple[int, int]]:
    with warehouse.read() as connection:
        return connection.execute("from numbers order by all").fetchall()


def parquet(warehouse: Warehouse) -> set[Path]:
    return set((warehouse.directory / "lake").rglob("*.parquet"))


def test_a_file_needs_none(migrated_directory: Path) -> None:
    file = warehouses.Warehouse(migrated_directory)
    assert not file.needs_maintenance
    assert file.maintain(keep_snapshots=NOW) is None


def test_a_round_leaves_the_newest_state_in_few_files(warehouse: Warehouse) -> None:
    expected = fill(warehouse)
    orphan = warehouse.directory / "lake" / "main" / "numbers" / "left-by-a-killed-writer.parquet"
    duckdb.sql("select 1 as value").write_parquet(str(orphan))
    files = len(parquet(warehouse))

    # A merge ends in a new state, so the files that it has replaced go with the next round.
    first = done(warehouse, keep_snapshots=NOW, files_stay=NOW)
    second = done(warehouse, keep_snapshots=NOW, files_stay=NOW)

    assert rows_of(warehouse) == expected
    assert first.files_merged >= COMMITS
    assert first.snapshots_expired > COMMITS
    assert first.orphans_removed == 1
    assert not orphan.exists()
    assert (second.before, second.after.snapshots) == (first.after, 1)
    assert second.after.stored_files == second.after.files == len(parquet(warehouse)) < files
    third = done(warehouse, keep_snapshots=NOW, files_stay=NOW)
    assert third == Maintained(
        before=second.after,
        after=second.after,
        snapshots_expired=0,
        files_merged=0,
        files_removed=0,
        orphans_removed=0,
    )


def test_what_is_young_stays_and_old_states_can_be_read(warehouse: Warehouse) -> None:
    expected = fill(warehouse)
    snapshot = newest_snapshot(warehouse)
    before = parquet(warehouse)
    orphan = warehouse.directory / "lake" / "main" / "numbers" / "being-written.parquet"
    duckdb.sql("select 1 as value").write_parquet(str(orphan))

    outcome = done(warehouse, keep_snapshots=WEEK)
    write(warehouse, 1, 1)

    assert (outcome.snapshots_expired, outcome.files_removed, outcome.orphans_removed) == (0, 0, 0)
    assert parquet(warehouse) >= {*before, orphan}
    with warehouse.read() as connection:
        old = connection.execute(f"from numbers at (version => {snapshot}) order by all")
        assert old.fetchall() == expected


def done(
    warehouse: Warehouse, *, keep_snapshots: timedelta, files_stay: timedelta = WEEK
) -> Maintained:
    outcome = warehouse.maintain(keep_snapshots=keep_snapshots, files_stay=files_stay)
    assert outcome is not None
    return outcome


def newest_snapshot(warehouse: Warehouse) -> int:
    with warehouse.read() as connection:
        ((lake,),) = connection.execute("select current_database()").fetchall()
        found = connection.execute("from ducklake_current_snapshot($lake)", {"lake": lake})
        ((snapshot,),) = found.fetchall()
    return int(snapshot)
