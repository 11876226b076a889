"""Stitching: connected components, guards, stable ids, history."""

import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities import IdentitiesStitched, stitch_identities
from emarsys_pipeline_tests.builders import add_contact, add_platform_contact, window
from emarsys_pipeline_tests.reference import union_find
from emarsys_pipeline_tests.warehouses import Warehouse

LOOSE = StitchingSettings(max_contacts_per_identifier=1000, max_contacts_per_identity=1000)
DEFAULT = StitchingSettings()
EXAMPLES = int(os.environ.get("EMARSYS_PIPELINE_EXAMPLES", "15"))
"""How many random graphs are stitched and compared with union-find. The long proof, some minutes:

``EMARSYS_PIPELINE_EXAMPLES=1000 pytest emarsys_pipeline_tests/stages/test_stitched_identities.py``
"""


def stitch(
    warehouse: Warehouse, number: int = 0, stitching: StitchingSettings = DEFAULT
) -> IdentitiesStitched:
    return stitch_identities(
        warehouse, window(number), stitching=stitching, property_types={}, run_id="run"
    )


def rows(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with warehouse.read() as connection:
        return connection.execute(query).fetchall()


def groups(warehouse: Warehouse) -> set[frozenset[str]]:
    members = rows(
        warehouse,
        "select list(contact_id) from identity_members group by identity_id",
    )
    return {frozenset(contact_ids) for (contact_ids,) in members}


STITCHED_FROM_AND_INTO = (
    "mapped_contacts",
    "current_contacts",
    "identity_members",
    "former_members",
    "identity_events",
    "identity_stitches",
)


@pytest.fixture(scope="module")
def shared_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    made = Warehouse(Path(tmp_path_factory.mktemp("stitch")), publish_interval_seconds=3600)
    made.migrate()
    return made


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    print_blob=True,
)
@given(
    held=st.lists(
        st.sets(st.integers(min_value=0, max_value=14), max_size=3), min_size=1, max_size=25
    )
)
def test_identities_are_the_connected_components(
    shared_warehouse: Warehouse, held: list[set[int]]
) -> None:
    with shared_warehouse.write() as connection:
        for table in STITCHED_FROM_AND_INTO:
            connection.execute(f"delete from {table}")  # noqa: S608 - a table of this test
        for index, numbers in enumerate(held):
            add_contact(
                connection,
                str(index),
                phones=[f"+4930{n}" for n in numbers if n % 2],
                emails=[f"p{n}@example.org" for n in numbers if not n % 2],
            )
    stitch(shared_warehouse, stitching=LOOSE)
    expected = union_find(
        {str(index): {str(n) for n in numbers} for index, numbers in enumerate(held)}
    )
    assert groups(shared_warehouse) == expected


def test_a_chain_over_both_sides_is_one_identity(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        add_contact(connection, "1", phones=["+49301"], emails=["a@example.org"])
        add_contact(connection, "2", account="shop_at", emails=["a@example.org"])
        add_platform_contact(connection, "p1", phone="+49301")
        add_contact(connection, "3", phones=["+49302"])
    result = stitch(warehouse)
    assert groups(warehouse) == {frozenset({"1", "2", "p1"}), frozenset({"3"})}
    assert result == IdentitiesStitched(
        records=4, identities=2, assigned=4, merges=0, splits=0, quarantined=0, largest=3
    )


def test_ids_do_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    contacts = [(str(n), [f"+4930{n // 3}"]) for n in range(30)]
    maps = []
    for seed in (1, 2):
        made = Warehouse(tmp_path / str(seed))
        made.migrate()
        shuffled = contacts.copy()
        random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order, not a secret
        with made.write() as connection:
            for contact_id, phones in shuffled:
                add_contact(connection, contact_id, phones=phones)
        stitch(made)
        maps.append(rows(made, "select contact_id, identity_id from identity_members order by 1"))
    assert maps[0] == maps[1]


def test_an_identifier_held_by_too_many_links_nobody_and_is_listed(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        for n in range(11):
            add_contact(connection, str(n), phones=["+49301"])
    stitch(warehouse)
    assert len(groups(warehouse)) == 11
    assert rows(warehouse, "select kind, value, records, reason from quarantined_links") == [
        ("phone", "+49301", 11, "held by too many records")
    ]
    assert rows(warehouse, "select * from identity_identifiers") == []


def test_blocked_values_link_nobody(warehouse: Warehouse) -> None:
    blocking = StitchingSettings(blocked_identifiers=("desk@example.org",))
    with warehouse.write() as connection:
        add_contact(connection, "1", emails=["test@test.com"])
        add_contact(connection, "2", emails=["test@test.com"])
        add_contact(connection, "3", emails=["desk@example.org"])
        add_contact(connection, "4", emails=["desk@example.org"])
    stitch(warehouse, stitching=blocking)
    assert len(groups(warehouse)) == 4
    assert rows(warehouse, "select value, reason from quarantined_links order by value") == [
        ("desk@example.org", "blocked value"),
        ("test@test.com", "blocked value"),
    ]


def test_an_identity_that_is_too_large_is_resolved_again_with_fewer_links(
    warehouse: Warehouse,
) -> None:
    """Couples that share a phone stay; the number of four that chains them all does not."""
    with warehouse.write() as connection:
        for couple in range(10):
            shared = f"+49301{couple:02}"
            chain = [f"+4940{couple // 2}", f"+4941{(couple + 1) // 2}"]
            add_contact(connection, f"{couple}a", phones=[shared, *chain])
            add_contact(connection, f"{couple}b", phones=[shared, *chain])
    result = stitch(warehouse)
    assert groups(warehouse) == {frozenset({f"{n}a", f"{n}b"}) for n in range(10)}
    assert result.largest == 2
    reasons = {reason for (reason,) in rows(warehouse, "select reason from quarantined_links")}
    assert reasons == {"the identity would be too large"}


def test_a_chain_without_a_better_cut_is_taken_apart(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        for n in range(20):
            add_contact(connection, str(n), emails=[f"{n}@example.org", f"{n + 1}@example.org"])
    assert stitch(warehouse).largest == 1
    assert len(rows(warehouse, "select * from quarantined_links")) == 19


def test_a_later_link_merges_two_identities_and_the_old_id_resolves(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        add_contact(connection, "1", phones=["+49301"])
        add_contact(connection, "2", emails=["b@example.org"])
    stitch(warehouse, 0)
    before = dict(rows(warehouse, "select contact_id, identity_id from identity_members"))
    with warehouse.write() as connection:
        add_platform_contact(connection, "p", number=1, phone="+49301", email="b@example.org")
    result = stitch(warehouse, 1)
    after = dict(rows(warehouse, "select contact_id, identity_id from identity_members"))
    assert (result.merges, result.splits) == (1, 0)
    assert set(after.values()) == {before["1"]}
    assert rows(warehouse, "select retired_identity_id, identity_id from identity_aliases") == [
        (before["2"], before["1"])
    ]
    assert rows(warehouse, "select event, records, evidence from identity_events") == [
        (
            "merge",
            1,
            [{"kind": "email", "value": "b@example.org"}, {"kind": "phone", "value": "+49301"}],
        )
    ]
    assert rows(
        warehouse,
        "select emarsys_contacts, platform_contacts, phone_numbers, email_addresses"
        " from identities",
    ) == [(2, 1, ["+49301"], ["b@example.org"])]


def test_a_lost_link_splits_and_the_first_record_keeps_the_id(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        add_contact(connection, "1", phones=["+49301"])
        add_contact(connection, "2", phones=["+49301"])
    stitch(warehouse, 0)
    ((one,),) = rows(warehouse, "select distinct identity_id from identity_members")
    with warehouse.write() as connection:
        add_contact(connection, "2", number=1, phones=["+49302"], operation="changed")
    result = stitch(warehouse, 1)
    after = dict(rows(warehouse, "select contact_id, identity_id from identity_members"))
    assert (result.merges, result.splits) == (0, 1)
    assert rows(warehouse, "select event, records, evidence from identity_events") == [
        ("split", 1, [{"kind": "phone", "value": "+49301"}])
    ]
    assert after["1"] == one
    assert after["2"] != one


TABLES = (
    "stitched_identities",
    "identity_members",
    "identity_identifiers",
    "identities",
    "identity_events",
    "identity_stitches",
    "quarantined_links",
)


def everything(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: rows(warehouse, f"select * from {table} order by all")  # noqa: S608 - a constant
        for table in TABLES
    }


def test_stitching_again_in_any_order_gives_the_same_tables(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        add_contact(connection, "1", phones=["+49301"])
        add_contact(connection, "2", phones=["+49301"])
    stitch(warehouse, 0)
    with warehouse.write() as connection:
        add_contact(connection, "3", number=1, phones=["+49302"])
        add_contact(connection, "2", number=1, phones=["+49302"], operation="changed")
    stitch(warehouse, 1)
    with warehouse.write() as connection:
        add_platform_contact(connection, "p", number=2, phone="+49302")
    stitch(warehouse, 2)
    first = everything(warehouse)
    for number in (0, 2, 1):
        stitch(warehouse, number)
        assert everything(warehouse) == first


def test_a_changed_older_window_is_carried_into_later_ones(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    def history(into: Warehouse, order: tuple[int, ...]) -> None:
        for number in order:
            with into.write() as connection:
                if number == 0:
                    add_contact(connection, "1", phones=["+49301"])
                elif number == 1:
                    add_platform_contact(connection, "p", number=1, phone="+49301")
                else:
                    add_contact(connection, "2", number=2, phones=["+49301"])
            stitch(into, number)

    other = Warehouse(tmp_path / "other")
    other.migrate()
    history(warehouse, (0, 1, 2))
    history(other, (0, 2, 1))
    assert everything(other) == everything(warehouse)
