"""Explaining one person: who belongs together through what, and what became of consent."""

from datetime import UTC, datetime

import pytest

from emarsys_pipeline.explain import Explanation, Link, NotFoundError, explain
from emarsys_pipeline.explain.links import spanning_links
from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.builders import add_consent, add_contact, add_platform_contact, window

MOBILE = "+491701234567"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def stitch(warehouse: Warehouse, number: int = 0) -> None:
    stitch_identities(
        warehouse, window(number), stitching=StitchingSettings(), property_types={}, run_id="run"
    )


@pytest.fixture
def stitched(warehouse: Warehouse) -> Warehouse:
    """One person of three records in a chain, with two decisions and a delta; and another one."""
    with warehouse.write() as connection:
        add_contact(connection, "1", phones=[MOBILE], emails=["a@example.org"])
        add_contact(connection, "2", account="shop_at", emails=["a@example.org"])
        add_platform_contact(connection, "p", phone=MOBILE)
        add_contact(connection, "3", emails=["other@example.org"])
        add_consent(connection, "e1", "granted", minute=1, platform_contact_id="p")
        add_consent(connection, "e2", "withdrawn", minute=2, phone=MOBILE)
        connection.execute(
            "insert into opt_in_deltas by name select $start::timestamptz as window_start,"
            " 'd1' as delta_id, 'shop_de' as account, '1' as contact_id, 'i' as identity_id,"
            " '10500' as field_id, 'withdrawn' as new_value, 'withdrawn' as reason,"
            " 'e2' as event_id, '' as predecessor, $now::timestamptz as derived_at,"
            " 'run' as run_id",
            {"start": window(0).start, "now": NOW},
        )
    stitch(warehouse)
    warehouse.publish_pending(at_once=True)
    return warehouse


def told(found: Explanation) -> tuple[list[str], list[Link]]:
    return [record.name for record in found.records], found.links


def test_records_are_joined_by_the_shortest_path_of_shared_identifiers(stitched: Warehouse) -> None:
    first, second = "contact 1 (Emarsys account shop_de)", "contact 2 (Emarsys account shop_at)"
    messaging = "contact p (messaging side)"
    assert told(explain(stitched, MOBILE)) == (
        [second, first, messaging],
        [
            Link(first, second, "email", "a@example.org"),
            Link(messaging, first, "phone", MOBILE),
        ],
    )


@pytest.mark.parametrize("name", ["1", "2", "p", MOBILE, "0170 1234567", "A@example.org "])
def test_a_person_is_found_by_each_of_its_names(stitched: Warehouse, name: str) -> None:
    found = explain(stitched, name, regions=["DE"])
    assert found == explain(stitched, found.identity_id)
    assert len(found.records) == 3


def test_decisions_and_deliveries_stand_in_order(stitched: Warehouse) -> None:
    found = explain(stitched, "1")
    assert [(d.event_id, d.resolved_by, d.is_deciding) for d in found.decisions] == [
        ("e1", "platform contact", False),
        ("e2", "phone", True),
    ]
    assert [(d.contact_id, d.new_value, d.outcome, d.derived_at) for d in found.deliveries] == [
        ("1", "withdrawn", "pending", NOW)
    ]


def test_a_merged_identity_is_found_by_its_old_id(stitched: Warehouse) -> None:
    other = explain(stitched, "3").identity_id
    with stitched.write() as connection:
        add_platform_contact(connection, "q", number=1, phone=MOBILE, email="other@example.org")
    stitch(stitched, 1)
    stitched.publish_pending(at_once=True)
    found = explain(stitched, other)
    assert len(found.records) == 5
    assert sorted([found.identity_id, *found.retired_ids]) == sorted(
        {found.identity_id, other, explain(stitched, "1").identity_id}
    )


def test_nobody_and_several_are_told_without_personal_data(stitched: Warehouse) -> None:
    with pytest.raises(NotFoundError, match="nobody") as nobody:
        explain(stitched, "missing@example.org")
    assert "missing" not in str(nobody.value)
    with stitched.write() as connection:
        add_contact(connection, "3", account="shop_at", emails=["third@example.org"])
    stitch(stitched)
    stitched.publish_pending(at_once=True)
    with pytest.raises(NotFoundError, match="several persons"):
        explain(stitched, "3")


def test_identifiers_that_a_guard_held_back_are_no_links() -> None:
    shared = ("phone", MOBILE)
    assert spanning_links({"a": [shared], "b": [shared]}, usable=set()) == []
