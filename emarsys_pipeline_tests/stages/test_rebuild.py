"""Raw rows are pruned behind a full import, and what is kept gives the same tables again."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.mapped_contacts import (
    RawPrunedError,
    map_segment,
    rebuild,
    rebuild_account,
)
from emarsys_pipeline.stages.raw_segment_exports.pruning import prune_raw
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline_tests.stages.histories import TYPES, History
from emarsys_pipeline_tests.stages.landed_rows import table, window
from emarsys_pipeline_tests.stages.resident_warehouse import ResidentWarehouse
from emarsys_pipeline_tests.test_kills import contents
from emarsys_pipeline_tests.warehouse.processes import finish, start, started
from emarsys_pipeline_tests.warehouses import LAKE_SERVER, Warehouse

RAW_TABLES = {"raw_segment_exports", "raw_prunings"}
WINDOWS = 12
HISTORIES = int(os.environ.get("EMARSYS_PIPELINE_REBUILDS", "2"))
"""How many random histories are pruned and rebuilt. The long proof, about five minutes:

``EMARSYS_PIPELINE_REBUILDS=40 pytest emarsys_pipeline_tests/stages/test_rebuild.py``
"""

KILLS = 3


@pytest.fixture
def resident(tmp_path: Path) -> Iterator[ResidentWarehouse]:
    made = ResidentWarehouse(tmp_path / "resident")
    yield made
    made.close()


def all_tables(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables; of readings and rows, run id and load time aside."""
    found = {}
    with warehouse.read() as connection:
        names = connection.execute(
            "select table_name from duckdb_tables() where not internal order by 1"
        ).fetchall()
        for (name,) in names:
            rows = connection.execute(
                f"select columns(c -> c not in ('run_id', 'loaded_at')) from {name}"  # noqa: S608 - a table of ours
            ).fetchall()
            found[name] = sorted(rows, key=repr)
    return found


def without(tables: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: rows for name, rows in tables.items() if name not in names}


def damage(warehouse: Warehouse, source: random.Random, account: str) -> None:
    """Spoil what the kept raw rows must give again."""
    kept = "window_start >= coalesce((select max(kept_from) from raw_prunings), window_start)"
    with warehouse.write() as connection:
        connection.execute("select setseed(?)", [source.random()])
        connection.execute(
            "update mapped_contacts set first_name = 'spoilt', row_hash = 1, operation = 'new'"  # noqa: S608 - a text of ours
            f" where account = ? and random() < 0.3 and {kept}",
            [account],
        )
        for name, share in (("mapped_contacts", 0.3), ("rejected_values", 0.5)):
            connection.execute(
                f"delete from {name} where account = ? and random() < ? and {kept}",  # noqa: S608 - texts of ours
                [account, share],
            )
        connection.execute("delete from current_contacts where random() < 0.5")
        connection.execute("update current_contacts set is_member = false, email = 'spoilt'")
        connection.execute(
            "update opt_in_readings set value = 'spoilt' where (contact_id, requested_at) in"
            " (select contact_id, requested_at from raw_segment_exports where kind <> 'left')"
        )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(900, 900 + HISTORIES))
def test_pruned_histories_go_on_and_are_rebuilt_row_for_row(
    resident: ResidentWarehouse, tmp_path: Path, seed: int
) -> None:
    """The model of the history compares each window with what must be mapped, pruned or not."""
    history = History(resident, tmp_path / "downloads", seed)
    source, account = history.source, history.account
    keep, pruned_rows = source.randrange(1, 5), 0
    for _ in range(WINDOWS):
        history.land()
        stitch(resident, history.number)
        before = all_tables(resident)
        pruned = prune_raw(resident, account.name, keep_windows=keep, run_id="prune")
        after = all_tables(resident)
        assert without(after, RAW_TABLES) == without(before, RAW_TABLES)
        assert sum(each.rows_pruned for each in pruned) == len(before["raw_segment_exports"]) - len(
            after["raw_segment_exports"]
        )
        pruned_rows += sum(each.rows_pruned for each in pruned)
        assert_kept(resident, keep)
        assert prune_raw(resident, account.name, keep_windows=keep, run_id="prune") == []
        history.evolve(source.randrange(1, 4))
    assert pruned_rows > 0
    expected = all_tables(resident)

    unspoilt = rebuild_account(resident, account, property_types=TYPES, run_id="rebuild")
    assert unspoilt.differing == 0
    assert unspoilt.rows_read == len(expected["raw_segment_exports"])
    assert all_tables(resident) == expected

    damage(resident, source, account.name)
    assert all_tables(resident) != expected
    repaired = rebuild_account(resident, account, property_types=TYPES, run_id="rebuild")
    assert repaired.differing > 0
    assert all_tables(resident) == expected
    (last,) = table(resident, "select max(window_start) from segment_imports")
    number = int((last[0] - window(0).start) / (window(1).start - window(0).start))
    stitch(resident, number)
    # How much a stitching had to look at is not what it found.
    told = {"identity_stitches"}
    assert without(all_tables(resident), told) == without(expected, told)


def assert_kept(warehouse: Warehouse, keep: int) -> None:
    """Each segment's newest windows have their rows, from a full import on, with none missing."""
    rows = table(
        warehouse,
        "select imports.segment_id, imports.mode, imports.rows_delivered,"
        " (select count(*) from raw_segment_exports as raw where raw.account = imports.account and"
        " raw.segment_id = imports.segment_id and raw.window_start = imports.window_start)"
        " from segment_imports as imports order by segment_id, imports.window_start",
    )
    for segment_id in {row[0] for row in rows}:
        windows = [row[1:] for row in rows if row[0] == segment_id]
        kept = [delivered == stored for _, delivered, stored in windows]
        first = max(
            (
                at
                for at, (mode, *_) in enumerate(windows[: len(windows) - keep + 1])
                if mode == "full"
            ),
            default=0,
        )
        assert windows[first][0] == "full"
        assert all(kept[first:])
        assert not any(stored for _, _, stored in windows[:first])


def stitch(warehouse: Warehouse, number: int) -> None:
    stitch_identities(
        warehouse,
        window(number),
        stitching=StitchingSettings(),
        property_types=TYPES,
        run_id="run",
    )


def make_long_history(folder: Path) -> tuple[Warehouse, History]:
    """Windows of a real warehouse, pruned in between."""
    warehouse = Warehouse(folder / "warehouse", publish_interval_seconds=3600)
    warehouse.migrate()
    history = History(warehouse, folder / "downloads", 42)
    for _ in range(8):
        history.land()
        history.evolve(2)
    assert prune_raw(warehouse, history.account.name, keep_windows=2, run_id="prune")
    return warehouse, history


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, History]:
    return make_long_history(tmp_path_factory.mktemp("long_history"))


@pytest.fixture
def long_history(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Warehouse, History]:
    """For each test a copy, to be spoilt; a lake is not in its folder alone and is made anew."""
    if LAKE_SERVER in os.environ:
        return make_long_history(tmp_path)
    made, history = request.getfixturevalue("made_once")
    shutil.copytree(made.directory, tmp_path / "warehouse")
    return Warehouse(tmp_path / "warehouse", publish_interval_seconds=3600), history


def rebuild_it(directory: Path, history_account: Any) -> None:
    """What the command does, as a process of its own."""
    warehouse = Warehouse(directory, publish_interval_seconds=3600)
    rebuild_account(warehouse, history_account, property_types=TYPES, run_id="rebuild")


@pytest.mark.slow
def test_a_rebuild_killed_at_any_moment_has_changed_all_or_nothing(
    long_history: tuple[Warehouse, History],
) -> None:
    warehouse, history = long_history
    expected = contents(warehouse.directory)
    damage(warehouse, history.source, history.account.name)
    spoilt = contents(warehouse.directory)
    assert spoilt != expected
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(KILLS):
        with started(rebuild_it, warehouse.directory, history.account) as process:
            process.join(chance.uniform(0.05, 1.5))
        assert contents(warehouse.directory) in (spoilt, expected)
    finish(start(rebuild_it, warehouse.directory, history.account))
    assert contents(warehouse.directory) == expected


def test_a_rebuild_that_fails_midway_leaves_the_tables_as_they_were(
    long_history: tuple[Warehouse, History], monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, history = long_history
    damage(warehouse, history.source, history.account.name)
    spoilt = all_tables(warehouse)
    seen = []

    def progress(name: str, done: int, total: int | None) -> None:
        seen.append((name, done, total))

    with monkeypatch.context() as patched:
        patched.setattr(rebuild, "derive_current", interrupt)
        with pytest.raises(KeyboardInterrupt):
            rebuild_account(
                warehouse, history.account, property_types=TYPES, run_id="r", progress=progress
            )
    assert all_tables(warehouse) == spoilt
    name = f"{history.account.name}: mapping again"
    assert seen == [(name, done, len(seen)) for done in range(1, len(seen) + 1)]
    assert seen


def test_a_window_whose_raw_rows_are_gone_keeps_what_was_mapped(
    long_history: tuple[Warehouse, History],
) -> None:
    warehouse, history = long_history
    before = all_tables(warehouse)
    with pytest.raises(RawPrunedError, match=r"raw rows of segment 100 .* are kept from window"):
        map_segment(
            *(warehouse, history.account, "100", window(0)), property_types=TYPES, run_id="again"
        )
    assert all_tables(warehouse) == before


def test_nothing_is_pruned_when_all_windows_are_kept(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse", publish_interval_seconds=3600)
    warehouse.migrate()
    history = History(warehouse, tmp_path / "downloads", 42)
    for _ in range(3):
        history.land()
        history.evolve(2)
    for keep in (0, 3):
        assert prune_raw(warehouse, history.account.name, keep_windows=keep, run_id="r") == []


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
