"""Imports in real processes that are killed: a partition is there as a whole, or not at all."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.stages.raw_segment_exports import (
    account_import,
    exports,
    full,
    import_account,
    landing,
)
from emarsys_pipeline_tests.stages.importing import (
    ACCOUNT,
    CUSTOMERS,
    LABELLED,
    QUICK,
    RAW,
    READERS,
    Importer,
    expected_rows,
    landed,
    members_of,
)
from emarsys_pipeline_tests.stages.landed_rows import table, window
from emarsys_pipeline_tests.stages.pushing import open_client
from emarsys_pipeline_tests.warehouse.processes import kill, sleep_for_ever, started, wait_for
from emarsys_pipeline_tests.warehouses import Warehouse

Place = tuple[Path, str, str, str]


def import_from(place: Place, number: int = 0) -> None:
    directory, url, username, secret = place
    with open_client(url, username, secret) as client:
        import_account(
            Warehouse(directory, publish_interval_seconds=3600),
            client,
            ACCOUNT,
            (READERS, CUSTOMERS),
            window(number),
            imports=QUICK,
            downloads=directory / "downloads",
            run_id="killed",
        )


def stay_in_the_transaction(place: Place, marker: Path) -> None:
    """Be killed when the raw rows are written and the record of the import is not."""
    patched: Any = landing
    write = patched.overwrite_partition

    def stay(connection: Any, name: str, *more: Any) -> int:
        if name == "segment_imports":
            sleep_for_ever(marker)
        return int(write(connection, name, *more))

    patched.overwrite_partition = stay
    import_from(place)


def stay_before_the_id_is_noted(place: Place, marker: Path) -> None:
    """Be killed when Emarsys has started an export that nobody knows the id of."""
    exports._update_intent = lambda *_, **__: sleep_for_ever(marker)
    import_from(place)


def stay_before_landing(place: Place, marker: Path) -> None:
    """Be killed when the files are downloaded and the rows are ready."""
    full.land = lambda *_, **__: sleep_for_ever(marker)  # type: ignore[assignment,attr-defined]
    import_from(place)


def stay_between_landings(place: Place, marker: Path) -> None:
    """Be killed when the changes of one segment have landed and those of the other have not."""
    patched: Any = account_import
    land = patched.land_prepared

    def stay(run: Any, segment_id: str, prepared: Any) -> Any:
        if segment_id == CUSTOMERS:
            sleep_for_ever(marker)
        return land(run, segment_id, prepared)

    patched.land_prepared = stay
    import_from(place, 1)


def place_of(importer: Importer, sandbox: Sandbox) -> Place:
    return importer.warehouse.directory, sandbox.url, sandbox.username, sandbox.secret


def assert_whole(importer: Importer) -> None:
    """Every partition has all its rows and its record, or neither."""
    for segment_id, rows in table(
        importer.warehouse,
        "select segment_id, count(*) from raw_segment_exports group by segment_id",
    ):
        assert table(
            importer.warehouse,
            "select rows_delivered from segment_imports where segment_id = $segment_id",
            segment_id=segment_id,
        ) == [(rows,)]


def assert_completed(importer: Importer) -> None:
    """The next run lands what is missing, and the rows are those of an undisturbed one."""
    for outcome in importer(0).values():
        landed(outcome)
    assert_whole(importer)
    rows = [*expected_rows(importer.client, READERS), *expected_rows(importer.client, CUSTOMERS)]
    assert table(importer.warehouse, LABELLED) == rows
    states = "select distinct state from export_intents where run_id = 'killed' order by 1"
    assert {row[0] for row in table(importer.warehouse, states)} <= {"abandoned", "downloaded"}


@pytest.mark.parametrize(
    "child", [stay_in_the_transaction, stay_before_the_id_is_noted, stay_before_landing]
)
def test_the_next_run_completes_what_a_killed_one_began(
    importer: Importer, sandbox: Sandbox, tmp_path: Path, child: Callable[..., None]
) -> None:
    with started(child, place_of(importer, sandbox), tmp_path / "reached") as process:
        wait_for(tmp_path / "reached")
        kill(process)
    assert table(importer.warehouse, "from raw_segment_exports") == []
    assert table(importer.warehouse, "from segment_imports") == []
    assert_completed(importer)


def test_what_landed_before_a_kill_stays_and_only_the_rest_is_asked_for_again(
    importer: Importer, sandbox: Sandbox, tmp_path: Path
) -> None:
    calm = Importer(
        Warehouse(tmp_path / "calm", publish_interval_seconds=3600),
        importer.client,
        tmp_path / "downloads",
    )
    calm.warehouse.migrate()
    for each in (importer, calm):
        each(0)
    gone = {segment: members_of(importer.client, segment)[:2] for segment in (READERS, CUSTOMERS)}
    for segment, members in gone.items():
        sandbox.move_members(segment, remove=members)
    try:
        with started(
            stay_between_landings, place_of(importer, sandbox), tmp_path / "reached"
        ) as process:
            wait_for(tmp_path / "reached")
            kill(process)
        stored = "select segment_id, mode from segment_imports where window_start = $start"
        assert table(importer.warehouse, stored, start=window(1).start) == [(READERS, "changes")]
        again = {name: landed(outcome) for name, outcome in importer(1).items()}
        calm(1)
    finally:
        for segment, members in gone.items():
            sandbox.move_members(segment, add=members)
    assert [again[READERS].already_landed, again[CUSTOMERS].already_landed] == [True, False]
    assert table(importer.warehouse, RAW) == table(calm.warehouse, RAW)


@pytest.mark.slow
def test_an_import_killed_at_any_moment_leaves_whole_partitions(
    importer: Importer, sandbox: Sandbox
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # shown when the test fails
    chance = random.Random(seed)  # noqa: S311  # not a secret
    for _ in range(4):
        with started(import_from, place_of(importer, sandbox)) as process:
            # The first intent shows that the import has begun.
            deadline = time.monotonic() + 20
            while process.is_alive() and time.monotonic() < deadline:
                if table(importer.warehouse, "from export_intents where run_id = 'killed'"):
                    break
                time.sleep(0.02)
            process.join(chance.uniform(0, 1.0))
            process.kill()
            process.join()
        assert_whole(importer)
    assert_completed(importer)
