"""Explaining one person: who belongs together through what, and what became of consent."""

from datetime import UTC, datetime

import pytest

from emarsys_pipeline.explain import (
    Explanation,
    HeldBack,
    Link,
    NotFoundError,
    explain,
    explain_path,
)
from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline.stages.stitched_identities.ledger import Contact, Decision, add_decisions
from emarsys_pipeline_tests.builders import add_consent, add_contact, add_platform_contact, window
from emarsys_pipeline_tests.warehouses import Warehouse

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


def test_of_several_paths_the_shortest_is_told_in_order(stitched: Warehouse) -> None:
    one, two = "contact 1 (Emarsys account shop_de)", "contact 2 (Emarsys account shop_at)"
    messaging = "contact p (messaging side)"
    found = explain_path(stitched, "platform:p", "emarsys:shop_at:2")
    assert found.is_one_person
    assert found.links == [
        Link(messaging, one, "phone", MOBILE),
        Link(one, two, "email", "a@example.org"),
    ]
    with stitched.write() as connection:
        add_contact(connection, "2", account="shop_at", number=1, phones=[MOBILE])
    stitch(stitched, 1)
    stitched.publish_pending(at_once=True)
    assert explain_path(stitched, "p", "2").links == [Link(messaging, two, "phone", MOBILE)]


def test_two_persons_are_told_with_what_is_held_back_between_them(stitched: Warehouse) -> None:
    (decision_id,) = add_decisions(
        stitched,
        [
            Decision(
                action="split",
                author="ana",
                reason="two people",
                contact=Contact("platform", "", "p"),
                other_contact=Contact("emarsys", "shop_de", "1"),
            )
        ],
        first_window_start=window(0).start,
    )
    stitch(stitched)
    stitched.publish_pending(at_once=True)
    found = explain_path(stitched, "p", "1")
    assert not found.is_one_person
    assert found.links == []
    assert found.held_back == [
        HeldBack(kind="phone", value=MOBILE, reason="split by a decision", decision_id=decision_id)
    ]
    assert explain_path(stitched, "p", "3").held_back == []


def test_the_view_of_paths_agrees_with_the_command(stitched: Warehouse) -> None:
    with stitched.write() as connection:
        for number in range(4):
            add_contact(
                connection,
                f"chain{number}",
                emails=[f"c{number}@example.org", f"c{number + 1}@example.org"],
            )
    joined = Decision(
        action="join",
        author="ana",
        reason="same voice",
        contact=Contact("emarsys", "shop_de", "chain3"),
        other_contact=Contact("platform", "", "p"),
    )
    stitch(stitched)
    add_decisions(stitched, [joined], first_window_start=window(0).start)
    stitch(stitched)
    stitched.publish_pending(at_once=True)
    with stitched.read_published(schema="main") as connection:
        paths = connection.execute(
            "select from_contact, to_contact, links, path from identity_paths"
        ).fetchall()
    assert len(paths) == 7 * 6
    for one, other, links, _ in paths:
        assert len(explain_path(stitched, one, other).links) == links
    words = {(one, other): path for one, other, _, path in paths}
    assert words["emarsys:shop_de:chain2", "platform:p"] == (
        "emarsys:shop_de:chain2 and emarsys:shop_de:chain3 both hold email c3@example.org; "
        "emarsys:shop_de:chain3 and platform:p were joined by ana (same voice)"
    )
