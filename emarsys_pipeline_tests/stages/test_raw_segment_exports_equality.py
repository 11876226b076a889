"""Incremental imports followed by a reconciliation equal one fresh full import."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.settings import ImportSettings
from emarsys_pipeline.stages.mapped_contacts import map_segment
from emarsys_pipeline.stages.raw_segment_exports import SegmentImported, import_account
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.stages.landed_rows import make_account, table, window
from emarsys_pipeline_tests.stages.memory_account import Contact, MemoryAccount

ACCOUNT = make_account(
    fields=[
        {"emarsys": "email", "as": "email", "identifier": "email"},
        {"emarsys": 37, "as": "mobile", "identifier": "phone"},
        {"emarsys": 1, "as": "first_name"},
        {"emarsys": 46, "as": "salutation"},
        {"emarsys": 901, "as": "colours"},
        {"emarsys": 900, "as": "points"},
    ],
    segments=["100", "200"],
    opt_in={"field": "WhatsApp opt-in"},
)
TYPES = {item.property: "varchar" for item in ACCOUNT.fields} | {"points": "double"}
RECONCILE = ImportSettings(reconcile_every_days=2, shrink_tolerance=0)
WINDOWS = 5

CURRENT = (
    "select contact_id, email, mobile, first_name, salutation, colours, points, phone_numbers,"
    " email_addresses from current_contacts where is_member order by contact_id"
)
READINGS = (
    "select contact_id, value from opt_in_readings semi join current_contacts"
    " using (account, contact_id) where contact_id in"
    " (select contact_id from current_contacts where is_member) order by contact_id"
)


def run_window(warehouse: Warehouse, emarsys: MemoryAccount, number: int, folder: Path) -> None:
    moment = window(number).end + timedelta(minutes=5)
    outcomes = import_account(
        warehouse,
        cast("EmarsysClient", emarsys),
        ACCOUNT,
        ["100", "200"],
        window(number),
        imports=RECONCILE,
        downloads=folder,
        run_id="run",
        now=_clock(moment),
    )
    for segment_id, outcome in outcomes.items():
        assert isinstance(outcome, SegmentImported), outcome
        mapped = map_segment(
            warehouse, ACCOUNT, segment_id, window(number), property_types=TYPES, run_id="run"
        )
        assert mapped.read == mapped.new + mapped.changed + mapped.left + mapped.unchanged


def _clock(moment: datetime) -> Callable[[], datetime]:
    ticks = iter(range(10**6))
    return lambda: moment + timedelta(milliseconds=next(ticks))


def random_contact(source: random.Random) -> Contact:
    """Values from small sets, so that contacts share them, and sometimes all of them."""
    return {
        "3": source.choice([None, "", "a@example.org", "B@example.org", "c@example.org", "junk"]),
        "37": source.choice([None, "0170 1234567", "0171 1234567", "0664 1234567", "1"]),
        "1": source.choice([None, "Mina", 'No"or, or\nso', " "]),
        "14": source.choice([None, "10", "65"]),
        "46": source.choice([None, "1", "2"]),
        "901": source.choice([None, "2", "10,2", "2,10"]),
        "900": source.choice([None, "1", "1.0", "x"]),
        "902": source.choice([None, "granted", "withdrawn"]),
    }


def evolve(source: random.Random, emarsys: MemoryAccount) -> None:
    """Half a day: edits, imports that Emarsys does not report, arrivals, leaves, deletions."""
    emarsys.changed = set()
    for contact_id in sorted(emarsys.contacts):
        event = source.random()
        if event < 0.15:
            emarsys.contacts[contact_id] |= random_contact(source)
            emarsys.changed.add(contact_id)
        elif event < 0.25:
            field = source.choice(["1", "14", "37", "46", "901"])
            emarsys.contacts[contact_id][field] = random_contact(source)[field]
        elif event < 0.30:
            del emarsys.contacts[contact_id]
    for _ in range(source.randrange(3)):
        emarsys.contacts[str(1000 + source.randrange(10**6))] = random_contact(source)
    for members in emarsys.segments.values():
        members &= set(emarsys.contacts)
        members |= {each for each in sorted(emarsys.contacts) if source.random() < 0.3}
        members -= {each for each in sorted(members) if source.random() < 0.15}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_incremental_windows_and_a_reconciliation_equal_a_fresh_full_import(
    tmp_path: Path, seed: int
) -> None:
    source = random.Random(seed)  # noqa: S311  # not a secret
    emarsys = MemoryAccount(has_user_id=seed % 2 == 0)
    emarsys.contacts = {str(number): random_contact(source) for number in range(1, 25)}
    emarsys.segments = {"100": set(), "200": set()}
    history = make_warehouse(tmp_path / "history")
    for number in range(WINDOWS):
        if number:
            evolve(source, emarsys)
        else:
            for members in emarsys.segments.values():
                members |= {each for each in sorted(emarsys.contacts) if source.random() < 0.6}
        run_window(history, emarsys, number, tmp_path / "downloads")
    modes = "select distinct window_start, mode from segment_imports order by window_start"
    expected_modes = ["full", "changes", "changes", "changes", "full"]
    assert [row[1] for row in table(history, modes)] == expected_modes
    fresh = make_warehouse(tmp_path / "fresh")
    run_window(fresh, emarsys, WINDOWS - 1, tmp_path / "downloads")
    assert table(history, CURRENT) == table(fresh, CURRENT)
    assert table(history, READINGS) == table(fresh, READINGS)
    assert list((tmp_path / "downloads").iterdir()) == []


def test_rows_of_an_export_without_contact_ids_go_to_the_right_contacts(tmp_path: Path) -> None:
    """Many share an address and a number, and only the name tells whose row is whose."""
    source = random.Random(7)  # noqa: S311  # not a secret
    emarsys = MemoryAccount()
    emarsys.contacts = {
        str(number): random_contact(source) | {"1": f"name {number}"} for number in range(40)
    }
    emarsys.segments = {"100": set(emarsys.contacts), "200": {"1"}}
    warehouse = make_warehouse(tmp_path / "warehouse")
    run_window(warehouse, emarsys, 0, tmp_path / "downloads")
    rows = table(
        warehouse,
        "select contact_id, field_1, field_3, field_37, field_900 from raw_segment_exports"
        " where segment_id = '100' order by contact_id::int",
    )
    assert rows == [
        (contact_id, *(contact[name] or None for name in ("1", "3", "37", "900")))
        for contact_id, contact in emarsys.contacts.items()
    ]
    dialects = (
        "select distinct dialect from raw_segment_exports where segment_id = '100' order by 1"
    )
    assert table(warehouse, dialects) == [("ids",), ("labels",)]


def make_warehouse(directory: Path) -> Warehouse:
    made = Warehouse(directory, publish_interval_seconds=3600)
    made.migrate()
    return made


def test_a_reported_change_arrives_and_an_unreported_one_waits_for_the_full_import(
    tmp_path: Path,
) -> None:
    emarsys = MemoryAccount()
    emarsys.contacts = {
        "1": {"3": "a@example.org", "1": "Mina"},
        "2": {"3": "b@example.org", "1": "Noor"},
        "3": {"3": "c@example.org", "1": "Tim", "901": "2"},
    }
    emarsys.segments = {"100": {"1", "2"}, "200": {"1"}}
    warehouse = make_warehouse(tmp_path / "warehouse")
    run_window(warehouse, emarsys, 0, tmp_path / "downloads")
    emarsys.requests.clear()

    emarsys.contacts["1"]["1"] = "Mia"
    emarsys.changed = {"1"}
    emarsys.contacts["2"]["1"] = "Unseen"
    emarsys.segments["100"].add("3")
    run_window(warehouse, emarsys, 1, tmp_path / "downloads")

    rows: list[tuple[Any, ...]] = table(
        warehouse,
        "select segment_id, contact_id, kind, dialect, field_1, field_901 from raw_segment_exports"
        " where window_start = $start order by all",
        start=window(1).start,
    )
    assert rows == [
        ("100", "1", "changed", "labels", "Mia", None),
        ("100", "3", "entered", "ids", "Tim", "2"),
        ("200", "1", "changed", "labels", "Mia", None),
    ]
    assert [each for each in emarsys.requests if not each.startswith("getdata")] == [
        "changes 2026-02-28 2026-03-03"
    ]
    assert table(warehouse, "select first_name from current_contacts order by contact_id") == [
        ("Mia",),
        ("Noor",),
        ("Tim",),
    ]
