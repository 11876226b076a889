"""Stitching only what a window changed ends in the very tables that stitching everything gives.

Three ways to the same state, on random histories with every guard at work: window by window as the
data arrives; the last of these windows again with everything rebuilt; and, in a warehouse that had
all the data from the start, each window replayed from the history in order. All columns of all
tables are compared. More histories than in each run of the tests:

    EMARSYS_PIPELINE_HISTORIES=500 pytest emarsys_pipeline_tests/stages -k "every_way or both_modes"

And two modes: stitching the components that a window touches gives after each window what stitching
all records gives, also when people decide, contacts leave and are erased in between; and linking
all from time to time, as the incremental mode does, finds nothing that was missed.
"""

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any, cast

import duckdb
import pytest

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities import ledger, stitch_identities
from emarsys_pipeline.stages.stitched_identities.ledger import (
    Action,
    Contact,
    Decision,
    Identifier,
    insert_decisions,
)
from emarsys_pipeline.stages.stitched_identities.narrowed import narrow_records
from emarsys_pipeline.warehouse.columns import ensure_property_columns
from emarsys_pipeline_tests.builders import window
from emarsys_pipeline_tests.stages.identity_histories import (
    TIGHT,
    Change,
    add_changes,
    add_decisions,
    emails,
    erase,
    leave,
    phones,
    random_history,
)
from emarsys_pipeline_tests.stages.resident_warehouse import ResidentWarehouse
from emarsys_pipeline_tests.warehouses import Warehouse

PACKAGE = "emarsys_pipeline.stages.stitched_identities"
HISTORIES = int(os.environ.get("EMARSYS_PIPELINE_HISTORIES", "2"))
WINDOWS = 5

CURRENT = (
    "identity_members",
    "identity_identifiers",
    "identities",
    "identity_property_sources",
    "quarantined_links",
    "resolved_consent_events",
    "consent_status",
)
HISTORY = (
    "stitched_identities",
    "former_members",
    "identity_events",
    "identity_aliases",
    "identity_stitches",
)


@pytest.fixture
def warehouses(tmp_path: Path) -> Iterator[tuple[ResidentWarehouse, ResidentWarehouse]]:
    pair = (ResidentWarehouse(tmp_path / "one"), ResidentWarehouse(tmp_path / "other"))
    yield pair
    for warehouse in pair:
        warehouse.close()


def stitch(
    warehouse: Warehouse, number: int, stitching: StitchingSettings = TIGHT, **types: str
) -> int | None:
    """Stitch a window; how many assignments it found missed, None where it did not look."""
    return stitch_identities(
        warehouse, window(number), stitching=stitching, property_types=types, run_id="run"
    ).missed


def tables(warehouse: Warehouse, names: tuple[str, ...]) -> dict[str, list[tuple[Any, ...]]]:
    with warehouse.read() as connection:
        return {name: connection.execute(f"from {name} order by all").fetchall() for name in names}


def arrive(warehouse: Warehouse, history: list[Change]) -> None:
    """Store and stitch window by window."""
    for number, changes in groupby(history, key=lambda change: change.number):
        add_changes(warehouse, list(changes))
        stitch(warehouse, number)


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_every_way_ends_in_the_same_tables(
    warehouses: tuple[ResidentWarehouse, ResidentWarehouse], seed: int
) -> None:
    arriving, replaying = warehouses
    history = random_history(seed, windows=WINDOWS, contacts=24, changes=8)
    arrive(arriving, history)
    add_decisions(arriving)
    reached = tables(arriving, (*CURRENT, *HISTORY))
    assert reached["quarantined_links"], "no guard acted"

    stitch(arriving, WINDOWS - 1)
    assert tables(arriving, (*CURRENT, *HISTORY)) == reached

    add_changes(replaying, history)
    add_decisions(replaying)
    for number in range(WINDOWS):
        stitch(replaying, number)
    assert tables(replaying, (*CURRENT, *HISTORY)) == reached


class Tokens:
    """Decision ids that are the same in two warehouses."""

    def __init__(self) -> None:
        self.made = 0

    def token_hex(self, _: int) -> str:
        self.made += 1
        return f"{self.made:010x}"


def act(warehouse: Warehouse, random: Random, number: int, identifiers: int) -> str:
    """Do one of what people and segments do between two windows; what it was."""
    with warehouse.read() as connection:
        members = connection.execute(
            "select source, account, contact_id from identity_members"
            " where not starts_with(contact_id, 'erased') order by all"
        ).fetchall()
        here = connection.execute(
            "select contact_id from current_contacts where is_member order by all"
        ).fetchall()
    chosen = random.choice(
        ("nothing",) * 5
        + ("join", "split", "block", "release", "confirm", "leave", "leave", "erase")
    )
    one, other = (Contact(*member) for member in random.sample(members, 2))
    identifier = random.choice(
        [("phone", value) for value in phones(identifiers)]
        + [("email", value) for value in emails(identifiers)]
    )
    (gone,) = random.choice(here)
    if chosen == "leave":
        leave(warehouse, gone, number)
    elif chosen == "erase":
        erase(warehouse, gone)
    elif chosen != "nothing":
        is_of_two = chosen in ("join", "split")
        decision = Decision(
            action=cast(Action, chosen),
            author="somebody",
            reason="looked at it",
            contact=one if is_of_two or chosen == "confirm" else None,
            other_contact=other if is_of_two else None,
            identifier=None if is_of_two else Identifier(*identifier),
        )
        with warehouse.write() as connection:
            insert_decisions(
                connection,
                "identity_decisions",
                [decision],
                window_start=window(number - 1).start,
                decided_at=window(number).start,
            )
    return chosen


def fill_names(warehouse: Warehouse, number: int) -> None:
    """Give the contacts of a window a first name, and let some have none."""
    with warehouse.write() as connection:
        ensure_property_columns(connection, {"first_name": "varchar"})
        for table in ("mapped_contacts", "current_contacts"):
            connection.execute(
                f"update {table} set first_name = contact_id || window_start"  # noqa: S608 - of two
                " where window_start = $start and hash(contact_id) % 3 > 0",
                {"start": window(number).start},
            )


@pytest.mark.parametrize(
    ("seed", "identifiers"), [(seed, (14, 40)[seed % 2]) for seed in range(HISTORIES)]
)
def test_both_modes_write_the_same_tables(
    warehouses: tuple[ResidentWarehouse, ResidentWarehouse],
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    identifiers: int,
) -> None:
    narrowed: list[int] = []

    def narrow(connection: duckdb.DuckDBPyConnection, stitching: StitchingSettings) -> None:
        ((before,),) = connection.execute("select count(*) from records").fetchall()
        narrow_records(connection, stitching)
        ((after,),) = connection.execute("select count(*) from records").fetchall()
        narrowed.append(before - after)

    monkeypatch.setattr(f"{PACKAGE}.identity_map.narrow_records", narrow)
    guarded = TIGHT.model_copy(update={"blocked_patterns": ("p9@.*",)})
    history = random_history(
        seed, windows=10, contacts=32, changes=3, first_changes=24, identifiers=identifiers
    )
    done: list[str] = []
    missed: list[int | None] = []
    written: list[list[dict[str, list[tuple[Any, ...]]]]] = []
    for warehouse, mode in zip(warehouses, ("full", "incremental"), strict=True):
        random = Random(seed)  # noqa: S311 - a history, not a secret
        monkeypatch.setattr(ledger, "secrets", Tokens())
        after_each = []
        chosen = guarded.model_copy(update={"mode": mode, "full_every_days": 2})
        for number, changes in groupby(history, key=lambda change: change.number):
            if number:
                done.append(act(warehouse, random, number, identifiers))
            left_now = {row[0] for row in _left(warehouse, number)}
            add_changes(
                warehouse, [change for change in changes if change.contact_id not in left_now]
            )
            fill_names(warehouse, number)
            missed.append(stitch(warehouse, number, chosen, first_name="varchar"))
            after_each.append(tables(warehouse, (*CURRENT, *HISTORY)))
        # In the last window nothing arrives.
        stitch(warehouse, number + 1, chosen, first_name="varchar")
        after_each.append(tables(warehouse, (*CURRENT, *HISTORY)))
        written.append(after_each)
    full, incremental = written
    for number, (expected, found) in enumerate(zip(full, incremental, strict=True)):
        for name in expected:
            assert found[name] == expected[name], (number, name, done[: len(full) - 1])
    assert not any(missed)
    assert narrowed, "no window was narrowed"
    assert max(narrowed) > 0, "nothing was left out"


def _left(warehouse: Warehouse, number: int) -> list[tuple[str]]:
    with warehouse.read() as connection:
        return connection.execute(
            "select contact_id from mapped_contacts"
            " where operation = 'left' and window_start = $start",
            {"start": window(number).start},
        ).fetchall()


def holding(contact: int, number: int, *identifiers: str) -> Change:
    """An Emarsys contact that holds these phones and addresses since a window."""
    return Change(
        number=number,
        contact_id=f"c{contact}",
        is_platform=False,
        operation="changed" if number else "new",
        phones=[value for value in identifiers if value.startswith("+")],
        emails=[value for value in identifiers if "@" in value],
    )


FOUR = [holding(contact, 0, "+49301") for contact in range(4)]
CHAINED = [
    holding(0, 0, "+49301", "p1@example.org"),
    holding(1, 0, "+49301", "p1@example.org"),
    holding(2, 0, "+49301", "p1@example.org", "p2@example.org"),
    holding(3, 0, "+49301", "p2@example.org"),
    holding(4, 0, "+49301", "p2@example.org"),
]


@pytest.mark.parametrize(
    ("history", "quarantined"),
    [
        pytest.param(
            [*FOUR, holding(4, 1, "+49301"), holding(4, 2)], [0, 1, 0], id="over the cap and back"
        ),
        pytest.param(
            [*CHAINED, holding(5, 0, "+49301"), holding(5, 1)],
            [1, 0],
            id="above the cap, whose holders become one identity by other links",
        ),
        pytest.param(
            [*CHAINED, holding(5, 1, "+49302", "p2@example.org"), holding(5, 2)],
            [0, 2, 0],
            id="over the size and back",
        ),
    ],
)
def test_limits_that_are_crossed_either_way_reach_untouched_contacts(
    warehouses: tuple[ResidentWarehouse, ResidentWarehouse],
    history: list[Change],
    quarantined: list[int],
) -> None:
    written = []
    for warehouse, mode in zip(warehouses, ("full", "incremental"), strict=True):
        for number, changes in groupby(history, key=lambda change: change.number):
            add_changes(warehouse, list(changes))
            stitch(warehouse, number, TIGHT.model_copy(update={"mode": mode}))
        written.append(tables(warehouse, (*CURRENT, *HISTORY)))
    full, incremental = written
    assert incremental == full
    with warehouses[1].read() as connection:
        counted = connection.execute(
            "select quarantined from identity_stitches order by window_start"
        ).fetchall()
    assert [count for (count,) in counted] == quarantined


PAIRS = [holding(contact, 0, f"+4930{contact // 2}") for contact in range(8)]
WEEKLY = TIGHT.model_copy(update={"blocked_identifiers": ()})
# Windows last half a day, and weeks are counted from a Thursday, as the first window is.
NEXT_WEEK = 14


def test_linking_all_finds_nothing_missed_and_says_that_it_looked(
    warehouses: tuple[ResidentWarehouse, ResidentWarehouse],
) -> None:
    warehouse = warehouses[0]
    add_changes(warehouse, PAIRS)
    assert stitch(warehouse, 0, WEEKLY) is None
    add_changes(warehouse, [holding(0, 1)])
    assert stitch(warehouse, 1, WEEKLY) is None
    add_changes(warehouse, [holding(2, NEXT_WEEK)])
    assert stitch(warehouse, NEXT_WEEK, WEEKLY) == 0
    assert stitch(warehouse, NEXT_WEEK + 1, WEEKLY) is None
    never = WEEKLY.model_copy(update={"full_every_days": 0})
    assert stitch(warehouse, 3 * NEXT_WEEK, never) is None


def test_what_was_missed_is_put_right_in_all_tables(
    warehouses: tuple[ResidentWarehouse, ResidentWarehouse],
) -> None:
    harmed, sound = warehouses
    for warehouse in warehouses:
        add_changes(warehouse, PAIRS)
        stitch(warehouse, 0, WEEKLY)
    with harmed.write() as connection:
        connection.execute(
            "update identity_members set identity_id = 'wrong' where contact_id = 'c5'"
        )
        connection.execute("delete from identity_identifiers where value = '+49302'")
        connection.execute("delete from identities where list_contains(phone_numbers, '+49302')")
    for number, missed in ((1, None), (NEXT_WEEK, 1)):
        for warehouse in warehouses:
            add_changes(warehouse, [holding(0, number, f"+4931{number}")])
        assert stitch(harmed, number, WEEKLY) == missed
        stitch(sound, number, WEEKLY)
        same = identities_of(harmed) == identities_of(sound)
        assert same is (missed is not None)


def identities_of(warehouse: Warehouse) -> list[list[tuple[Any, ...]]]:
    """Who belongs to whom, by which identifiers, and with which golden record."""
    with warehouse.read() as connection:
        return [
            connection.execute(query).fetchall()
            for query in (
                "select contact_id, identity_id from identity_members order by all",
                "from identity_identifiers order by all",
                "select identity_id, emarsys_contacts, phone_numbers from identities order by all",
            )
        ]
