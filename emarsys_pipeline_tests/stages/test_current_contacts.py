"""What is current of a contact, when several segments and windows tell of it."""

import itertools
import random
from typing import Any

import pytest

from emarsys_pipeline_tests.stages.landed_rows import put_catalogue, put_raw, table, window
from emarsys_pipeline_tests.stages.test_mapped_contacts import CURRENT, MINA, run
from emarsys_pipeline_tests.warehouses import Warehouse


@pytest.fixture
def warehouse(warehouse: Warehouse) -> Warehouse:
    put_catalogue(warehouse)
    return warehouse


def test_leaving_one_segment_of_two_keeps_the_contact_and_prefers_live_values(
    warehouse: Warehouse,
) -> None:
    put_raw(warehouse, [MINA], 0, segment_id="100")
    put_raw(warehouse, [{**MINA, "1": "Mina B."}], 1, segment_id="200")
    put_raw(warehouse, [{"contact_id": "1", "kind": "left"}], 2, segment_id="200")
    run(warehouse, 0, segment_id="100")
    run(warehouse, 1, segment_id="200")
    identifiers = (["+491701234567"], ["mina@example.org"])
    assert table(warehouse, CURRENT) == [("1", True, "Mina B.", *identifiers)]

    run(warehouse, 2, segment_id="200")
    assert table(warehouse, CURRENT) == [("1", True, "Mina", *identifiers)]

    put_raw(warehouse, [{"contact_id": "1", "kind": "left"}], 3, segment_id="100")
    run(warehouse, 3, segment_id="100")
    assert table(warehouse, CURRENT) == [("1", False, "Mina B.", *identifiers)]


def test_the_later_answer_of_two_segments_in_one_window_is_current_in_any_order(
    warehouse: Warehouse,
) -> None:
    early, late = window(0).start, window(0).end
    put_raw(warehouse, [{**MINA, "1": "Late", "requested_at": late}], segment_id="200")
    put_raw(warehouse, [{**MINA, "1": "Early", "requested_at": early}], segment_id="100")
    put_raw(warehouse, [{**MINA, "1": "As late", "requested_at": late}], segment_id="300")
    put_raw(warehouse, [{**MINA, "1": "Smaller id", "requested_at": late}], segment_id="150")
    for segment_id, name in (
        *(("200", "Late"), ("100", "Late"), ("300", "Late"), ("150", "Smaller id")),
        *(("200", "Smaller id"), ("150", "Smaller id")),
    ):
        run(warehouse, segment_id=segment_id)
        assert table(warehouse, "select first_name from current_contacts") == [(name,)]


@pytest.mark.parametrize("seed", range(3))
def test_current_rows_are_those_of_all_mapped_rows_whatever_came_when(
    warehouse: Warehouse, seed: int
) -> None:
    """Segments share contacts, and some windows of some segments are mapped late or again."""
    source = random.Random(seed)  # noqa: S311 - a repeatable test
    waiting: list[tuple[int, str]] = []
    for number in range(4):
        for segment_id in source.sample(["100", "150", "200"], 3):
            rows = [
                {
                    "contact_id": contact_id,
                    "1": source.choice(["Mina", "Noor", None]),
                    "kind": source.choice(["member", "entered", "changed", "left", "passed"]),
                    "requested_at": source.choice([window(number).start, window(number).end]),
                }
                for contact_id in source.sample("123456", source.randrange(6))
            ]
            put_raw(warehouse, rows, number, segment_id=segment_id)
            waiting.append((number, segment_id))
            while waiting and source.random() < 0.8:
                ripe = waiting[0] if source.random() < 0.8 else source.choice(waiting)
                run(warehouse, ripe[0], segment_id=ripe[1])
                if source.random() < 0.9:
                    waiting.remove(ripe)
                assert table(warehouse, WHAT_IS_CURRENT) == expected_current(warehouse), seed


WHAT_IS_CURRENT = (
    "select contact_id, first_window_start, window_start, touched_window_start, is_member,"
    " requested_at, first_name from current_contacts order by contact_id"
)


def expected_current(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """The rows of WHAT_IS_CURRENT, from each contact's mapped rows one after the other."""
    rows = table(
        warehouse,
        "select contact_id, segment_id, window_start, operation, row_hash, requested_at, first_name"
        " from mapped_contacts order by contact_id, window_start",
    )
    expected = []
    for contact_id, group in itertools.groupby(rows, key=lambda row: row[0]):
        history = list(group)
        is_member = {row[1]: row[3] != "left" for row in history}
        best = min(
            (row for row in history if row[4] is not None),
            key=lambda row: (
                not is_member[row[1]],
                -row[2].timestamp(),
                -row[5].timestamp(),
                row[1],
            ),
        )
        expected.append(
            (
                *(contact_id, history[0][2], best[2], history[-1][2]),
                *(any(is_member.values()), best[5], best[6]),
            )
        )
    return expected
