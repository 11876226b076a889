"""Whose value a golden record takes: rules by property, and who won."""

from typing import Any

import pytest

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline.warehouse.columns import ensure_property_columns
from emarsys_pipeline_tests.builders import add_contact, add_platform_contact, window
from emarsys_pipeline_tests.stages.deciding import PHONE, rows
from emarsys_pipeline_tests.warehouses import Warehouse

TYPES = {"first_name": "varchar", "city": "varchar"}
SOURCES = "select property, source, account, contact_id from identity_property_sources order by all"


def stitch(warehouse: Warehouse, number: int = 2, **golden_records: Any) -> None:
    stitching = StitchingSettings.model_validate({"golden_records": golden_records})
    stitch_identities(
        warehouse, window(number), stitching=stitching, property_types=TYPES, run_id="run"
    )


@pytest.fixture
def family(warehouse: Warehouse) -> Warehouse:
    """One person: two accounts, the second newer and without a city, and a messaging contact."""
    with warehouse.write() as connection:
        ensure_property_columns(connection, TYPES)
        first = {"first_name": "name of 1", "city": "Ulm"}
        add_contact(connection, "1", account="shop_de", phones=[PHONE], properties=first)
        second = {"first_name": "name of 2"}
        add_contact(connection, "2", account="shop_at", phones=[PHONE], number=1, properties=second)
        platform = {"first_name": "name of p"}
        add_platform_contact(connection, "p", phone=PHONE, number=2, properties=platform)
    return warehouse


@pytest.mark.parametrize(
    ("rules", "winner"),
    [
        pytest.param({}, "2", id="Emarsys first, then the newest"),
        pytest.param({"sources": ["platform", "emarsys"]}, "p", id="platform first"),
        pytest.param({"sources": ["shop_de"]}, "1", id="one account first"),
        pytest.param({"rule": "newest"}, "p", id="newest"),
        pytest.param(
            {"rule": "newest", "properties": {"first_name": {"rule": "priority"}}},
            "2",
            id="a rule of its own",
        ),
        pytest.param(
            {"properties": {"first_name": {"sources": ["shop_de", "shop_at"]}}},
            "1",
            id="sources of its own",
        ),
    ],
)
def test_the_rule_says_whose_value_wins(
    family: Warehouse, rules: dict[str, Any], winner: str
) -> None:
    """The city is empty but for contact 1, so it wins by every rule."""
    stitch(family, **rules)
    assert rows(family, "select first_name, city from identities") == [(f"name of {winner}", "Ulm")]
    won = {"1": ("emarsys", "shop_de"), "2": ("emarsys", "shop_at"), "p": ("platform", "")}
    assert rows(family, SOURCES) == [
        ("city", "emarsys", "shop_de", "1"),
        ("first_name", *won[winner], winner),
    ]


def test_changed_rules_reach_all_golden_records_with_the_next_run(family: Warehouse) -> None:
    stitch(family)
    stitch(family, 3, rule="newest")
    assert rows(family, "select first_name from identities") == [("name of p",)]


def test_sources_follow_a_person_that_loses_contacts(family: Warehouse) -> None:
    stitch(family)
    with family.write() as connection:
        add_contact(connection, "2", account="shop_at", phones=["+4930"], number=3)
    stitch(family, 3)
    assert rows(family, SOURCES) == [
        ("city", "emarsys", "shop_de", "1"),
        ("first_name", "emarsys", "shop_de", "1"),
    ]


def test_the_order_of_rows_does_not_matter(family: Warehouse) -> None:
    """Many contacts that tie in everything but their ids, stored in two orders."""
    with family.write() as connection:
        for number in range(6):
            name = f"t{number}"
            properties = {"city": name, "first_name": name}
            add_contact(connection, name, phones=[PHONE], number=1, properties=properties)
    seen = []
    for seed in (1, 2):
        with family.write() as connection:
            connection.execute(
                "create or replace temp table shuffled as select * from current_contacts"
                " order by hash(contact_id, $seed)",
                {"seed": seed},
            )
            connection.execute("delete from current_contacts")
            connection.execute("insert into current_contacts by name from shuffled")
            connection.execute("drop table temp.shuffled")
        stitch(family, 2 + seed, rule="newest")
        seen.append(
            (rows(family, "select first_name, city from identities"), rows(family, SOURCES))
        )
    assert seen[0] == seen[1]


def test_analysts_see_the_sources_of_persons_of_one_contact_too(family: Warehouse) -> None:
    with family.write() as connection:
        add_contact(connection, "alone", phones=["+49309"], properties={"city": "Bonn"})
    stitch(family)
    family.publish_pending(at_once=True)
    with family.read_published(schema="main") as connection:
        found = connection.execute(
            "select property, account, contact_id from identity_property_sources order by all"
        ).fetchall()
    assert found == [
        ("city", "shop_de", "1"),
        ("city", "shop_de", "alone"),
        ("first_name", "shop_at", "2"),
    ]
