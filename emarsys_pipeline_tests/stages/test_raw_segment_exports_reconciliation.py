"""A full import on demand: it replaces the newest window, and nothing that was known vanishes."""

from pathlib import Path

import pytest

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.stages.raw_segment_exports import PastWindowError
from emarsys_pipeline_tests.stages.importing import (
    CUSTOMERS,
    READERS,
    SINGLE,
    Importer,
    landed,
    members_of,
)
from emarsys_pipeline_tests.stages.landed_rows import table, window
from emarsys_pipeline_tests.warehouses import Warehouse

CURRENT = (
    "select contact_id, is_member, first_name, email, mobile, salutation, colours, phone_numbers,"
    " email_addresses from current_contacts where is_member order by contact_id"
)
ONE = (
    "select first_window_start, is_member, first_name from current_contacts where contact_id = $id"
)


def test_a_landed_window_is_imported_again_in_full_and_equals_a_fresh_import(
    sandbox: Sandbox, importer: Importer, tmp_path: Path, engine: str
) -> None:
    """The first import was by changes; meanwhile Emarsys imported values without telling."""
    importer(0, (READERS,))
    importer.map(0, (READERS,))
    assert landed(importer(1, (READERS,), reconcile_every_days=7)[READERS]).mode == "changes"
    importer.map(1, (READERS,))
    members = members_of(importer.client, READERS)
    sandbox.import_silently({each: {"1": f"Silent to a {engine}"} for each in members[:3]})
    sandbox.move_members(READERS, remove=members[-2:])

    again = landed(importer(1, (READERS,), in_full=True, reconcile_every_days=7)[READERS])
    importer.map(1, (READERS,))

    sandbox.move_members(READERS, add=members[-2:])
    counts = (again.mode, again.members, again.departed, again.already_landed)
    assert counts == ("full", len(members) - 2, 2, False)
    assert table(
        importer.warehouse,
        "select operation, count(*) from mapped_contacts where window_start = $start"
        " group by operation order by operation",
        start=window(1).start,
    ) == [("changed", 3), ("left", 2)]
    fresh = Importer(
        Warehouse(tmp_path / "fresh", publish_interval_seconds=3600),
        importer.client,
        tmp_path / "downloads",
    )
    fresh.warehouse.migrate()
    sandbox.move_members(READERS, remove=members[-2:])
    fresh(1, (READERS,))
    sandbox.move_members(READERS, add=members[-2:])
    fresh.map(1, (READERS,))
    assert table(importer.warehouse, CURRENT) == table(fresh.warehouse, CURRENT)


def test_who_came_and_went_within_the_window_stays_known_with_its_values(
    sandbox: Sandbox, importer: Importer
) -> None:
    """Otherwise the person would vanish, with what was stitched and decided."""
    outside = sorted(
        set(members_of(importer.client, READERS)) - set(members_of(importer.client, CUSTOMERS))
    )
    guest = outside[0]
    importer(0, (CUSTOMERS,))
    importer.map(0, (CUSTOMERS,))
    sandbox.move_members(CUSTOMERS, add=[guest])
    importer(1, (CUSTOMERS,), reconcile_every_days=7)
    importer.map(1, (CUSTOMERS,))
    ((first_window, is_member, name),) = table(importer.warehouse, ONE, id=guest)
    assert (first_window, is_member) == (window(1).start, True)
    sandbox.move_members(CUSTOMERS, remove=[guest])

    for _ in range(2):
        assert landed(importer(1, (CUSTOMERS,), in_full=True)[CUSTOMERS]).departed == 1
        importer.map(1, (CUSTOMERS,))
        assert table(importer.warehouse, ONE, id=guest) == [(first_window, False, name)]

    sandbox.move_members(CUSTOMERS, add=[guest])
    later = landed(importer(2, (CUSTOMERS,), reconcile_every_days=7)[CUSTOMERS])
    importer.map(2, (CUSTOMERS,))
    sandbox.move_members(CUSTOMERS, remove=[guest])
    assert (later.mode, later.entered, later.departed) == ("changes", 1, 0)
    assert table(importer.warehouse, ONE, id=guest) == [(first_window, True, name)]


def test_only_the_newest_window_can_be_reconciled(importer: Importer) -> None:
    importer(0, (SINGLE,))
    importer(1, (SINGLE,))
    stored = "select window_start, mode, rows_delivered from segment_imports order by 1"
    before = table(importer.warehouse, stored)
    refused = importer(0, (SINGLE,), in_full=True)[SINGLE]
    assert isinstance(refused, PastWindowError)
    assert str(refused).startswith(f"segment {SINGLE} of account shop has landed in a window later")
    assert table(importer.warehouse, stored) == before


def test_a_count_that_does_not_explain_the_members_makes_the_import_a_full_one(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer(0, (CUSTOMERS,))
    counted = len(members_of(importer.client, CUSTOMERS))
    # The first two answers, before and after the list, are far off; the full import's are right.
    wrong = iter([2 * counted, 2 * counted])
    monkeypatch.setattr(importer.client, "count_segment", lambda _: next(wrong, counted))
    assert landed(importer(1, (CUSTOMERS,), reconcile_every_days=7)[CUSTOMERS]).mode == "full"


def test_an_export_of_an_earlier_window_that_nobody_waits_for_is_reported(
    importer: Importer, caplog: pytest.LogCaptureFixture
) -> None:
    """A run died, and no run of its window followed."""
    with importer.warehouse.write() as connection:
        for intent, age, export_id in (("old", "2 days", "77"), ("new", "1 minute", None)):
            connection.execute(
                "insert into export_intents values ('shop', ?, ?, 'segment', ?, 'started', ?,"
                " now() - ?::interval, null, null, 'killed')",
                [window(0).start, intent, SINGLE, export_id, age],
            )
    landed(importer(1, (SINGLE,))[SINGLE])
    assert table(
        importer.warehouse,
        "select intent_id, state from export_intents where run_id = 'killed' order by intent_id",
    ) == [("new", "started"), ("old", "abandoned")]
    reports = [each for each in caplog.messages if "left open by an earlier run" in each]
    assert len(reports) == 1
    assert "in window 2026-03-01-00:00" in reports[0]
    assert "(export id 77)" in reports[0]
