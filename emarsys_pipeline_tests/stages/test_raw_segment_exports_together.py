"""Segments that are imported by changes land together, when all have been asked for."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.stages.raw_segment_exports import account_import, import_account, landing
from emarsys_pipeline_tests.stages.importing import (
    ACCOUNT,
    COMBINED,
    CUSTOMERS,
    QUICK,
    READERS,
    SINGLE,
    Importer,
    landed,
)
from emarsys_pipeline_tests.stages.landed_rows import table, window

LANDED = (
    "select segment_id, mode from segment_imports where window_start = $start order by segment_id"
)


def test_one_that_fails_to_land_fails_alone(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer(0, (READERS, CUSTOMERS, SINGLE))
    patched: Any = landing
    write = patched.overwrite_partition

    def fail_for_readers(connection: Any, name: str, keys: Any, *more: Any) -> int:
        if keys["segment_id"] == READERS and name == "segment_imports":
            connection.execute("select error('no such luck')")
        return int(write(connection, name, keys, *more))

    with monkeypatch.context() as patch:
        patch.setattr(landing, "overwrite_partition", fail_for_readers)
        outcomes = importer(1, (SINGLE, READERS, CUSTOMERS))
    assert list(outcomes) == [SINGLE, READERS, CUSTOMERS]
    assert "no such luck" in str(outcomes[READERS])
    both = [(CUSTOMERS, "changes"), (SINGLE, "changes")]
    assert table(importer.warehouse, LANDED, start=window(1).start) == both
    rows = "from raw_segment_exports where segment_id = $id and window_start = $start"
    assert table(importer.warehouse, rows, id=READERS, start=window(1).start) == []
    again = importer(1, (SINGLE, READERS, CUSTOMERS))
    assert [landed(outcome).already_landed for outcome in again.values()] == [True, False, True]
    assert table(importer.warehouse, LANDED, start=window(1).start) == sorted(
        [*both, (READERS, "changes")]
    )


def test_changes_land_when_nothing_is_left_to_ask_and_full_ones_at_once(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer(0)
    asked: dict[str, int] = {}
    land = landing.land

    def note(run: Any, segment_id: str, *more: Any, **options: Any) -> Any:
        in_calling_thread = threading.current_thread() is threading.main_thread()
        assert in_calling_thread == (segment_id != COMBINED)
        asked[segment_id] = importer.client.calls
        return land(run, segment_id, *more, **options)

    monkeypatch.setattr(landing, "land", note)
    monkeypatch.setattr("emarsys_pipeline.stages.raw_segment_exports.full.land", note)
    outcomes = importer(1, (READERS, COMBINED, CUSTOMERS), reconcile_every_days=7)
    modes = {name: landed(outcome).mode for name, outcome in outcomes.items()}
    assert modes == {READERS: "changes", COMBINED: "full", CUSTOMERS: "changes"}
    assert asked.keys() == modes.keys()
    assert asked[READERS] == asked[CUSTOMERS] == importer.client.calls


def test_waiting_for_other_segments_is_no_time_that_an_import_takes(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By these seconds people are told how long the next import will take."""
    importer(0)
    time = [utc_now()]
    land = account_import._land_prepared

    def land_later(*arguments: Any) -> Any:
        time[0] += timedelta(hours=1)
        return land(*arguments)

    monkeypatch.setattr(account_import, "_land_prepared", land_later)
    import_account(
        importer.warehouse,
        importer.client,
        ACCOUNT,
        (READERS, CUSTOMERS),
        window(1),
        imports=QUICK.model_copy(update={"reconcile_every_days": 7}),
        downloads=importer.downloads,
        run_id="run",
        now=lambda: time[0],
    )
    stored = (
        "select mode, seconds, landed_at - requested_at from segment_imports"
        " where window_start = $start"
    )
    assert (
        table(importer.warehouse, stored, start=window(1).start)
        == [("changes", 0.0, timedelta(hours=1))] * 2
    )
