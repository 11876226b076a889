"""Stitching only what a window changed ends in the very tables that stitching everything gives.

Three ways to the same state, on random histories with every guard at work: window by window as the
data arrives; the last of these windows again with everything rebuilt; and, in a warehouse that had
all the data from the start, each window replayed from the history in order. All columns of all
tables are compared. More histories than in each run of the tests:

    EMARSYS_PIPELINE_HISTORIES=500 pytest -k every_way_ends emarsys_pipeline_tests/stages
"""

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.builders import window
from emarsys_pipeline_tests.stages.identity_histories import (
    TIGHT,
    Change,
    add_changes,
    add_decisions,
    random_history,
)
from emarsys_pipeline_tests.stages.resident_warehouse import ResidentWarehouse

HISTORIES = int(os.environ.get("EMARSYS_PIPELINE_HISTORIES", "4"))
WINDOWS = 5

CURRENT = (
    "identity_members",
    "identity_identifiers",
    "identities",
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


def stitch(warehouse: Warehouse, number: int) -> None:
    stitch_identities(warehouse, window(number), stitching=TIGHT, property_types={}, run_id="run")


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
