"""Which opt-in fields must change: every decision once, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest

from emarsys_pipeline.stages.opt_in_deltas import OptInDeltasDerived, OptInFieldError
from emarsys_pipeline_tests.builders import add_consent, add_contact, window
from emarsys_pipeline_tests.stages.deciding import (
    FIELD,
    NOW,
    OTHER_PHONE,
    PHONE,
    add_field,
    deltas,
    derive,
    make_account,
    put_readings,
    rows,
    settle,
    stitch,
)
from emarsys_pipeline_tests.warehouses import Warehouse

NOTHING = OptInDeltasDerived(
    derived=0, by_reason={}, refused_accounts={}, unresolved_events=0, unknown_status=0
)


@pytest.fixture
def known(warehouse: Warehouse) -> Warehouse:
    """Contacts 1 and 2 are one person, 3 is another; both were stitched in window 0."""
    add_field(warehouse)
    with warehouse.write() as connection:
        add_contact(connection, "1", phones=[PHONE])
        add_contact(connection, "2", phones=[PHONE])
        add_contact(connection, "3", phones=[OTHER_PHONE])
    stitch(warehouse)
    return warehouse


def decide(warehouse: Warehouse, event_id: str, status: str, **more: Any) -> None:
    with warehouse.write() as connection:
        add_consent(connection, event_id, status, **{"number": 1, "phone": PHONE, **more})


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_without_decisions_nothing_must_change(known: Warehouse) -> None:
    assert derive(known) == NOTHING
    assert deltas(known) == []


def test_a_decision_holds_for_every_contact_of_the_person(known: Warehouse) -> None:
    decide(known, "yes", "granted")
    decide(known, "no", "denied", phone=OTHER_PHONE)
    assert derive(known) == OptInDeltasDerived(
        derived=3,
        by_reason={"granted": 2, "withdrawn": 1},
        refused_accounts={},
        unresolved_events=0,
        unknown_status=0,
    )
    assert deltas(known) == [
        ("shop_de", "1", None, "granted", "granted", "yes"),
        ("shop_de", "2", None, "granted", "granted", "yes"),
        ("shop_de", "3", None, "withdrawn", "withdrawn", "no"),
    ]


def test_a_grant_and_a_withdrawal_follow_each_other(known: Warehouse) -> None:
    for minute, status in enumerate(["granted", "withdrawn", "granted"]):
        decide(known, f"e{minute}", status, minute=minute, phone=OTHER_PHONE)
        derive(known, minute=minute)
    assert deltas(known) == [
        ("shop_de", "3", None, "granted", "granted", "e0"),
        ("shop_de", "3", "granted", "withdrawn", "withdrawn", "e1"),
        ("shop_de", "3", "withdrawn", "granted", "granted", "e2"),
    ]


def test_what_decides_nothing_is_counted(known: Warehouse) -> None:
    decide(known, "odd", "unknown")
    decide(known, "stranger", "granted", phone="+4915100000009")
    assert derive(known) == OptInDeltasDerived(
        derived=0, by_reason={}, refused_accounts={}, unresolved_events=1, unknown_status=1
    )


def test_a_late_event_of_an_older_decision_changes_nothing(known: Warehouse) -> None:
    decide(known, "new", "withdrawn", minute=5, phone=OTHER_PHONE)
    derive(known)
    decide(known, "old", "granted", minute=4, received_minute=9, phone=OTHER_PHONE)
    assert derive(known, minute=1) == NOTHING


def test_a_repeated_run_adds_nothing(known: Warehouse) -> None:
    decide(known, "yes", "granted")
    derive(known)
    before = rows(known, "from opt_in_deltas order by delta_id")
    assert derive(known, minute=1).derived == 0
    assert derive(known, number=2, minute=2).derived == 0
    assert rows(known, "from opt_in_deltas order by delta_id") == before


def test_deriving_anew_gives_the_same_ids(known: Warehouse) -> None:
    decide(known, "yes", "granted")
    derive(known)
    before = rows(known, "select delta_id from opt_in_deltas order by delta_id")
    with known.write() as connection:
        connection.execute("delete from opt_in_deltas")
    derive(known, number=2, minute=7)
    assert rows(known, "select delta_id from opt_in_deltas order by delta_id") == before


def test_a_value_that_flips_back_gets_an_id_of_its_own(known: Warehouse) -> None:
    for minute, status in enumerate(["granted", "withdrawn", "granted", "denied"]):
        decide(known, f"e{minute}", status, minute=minute)
        derive(known, minute=minute)
    assert rows(known, "select count(*), count(distinct delta_id) from opt_in_deltas") == [(8, 8)]


def test_a_clock_that_is_set_back_does_not_change_the_order(known: Warehouse) -> None:
    for minute, status in enumerate(["granted", "withdrawn", "granted"]):
        decide(known, f"e{minute}", status, minute=minute, phone=OTHER_PHONE)
        derive(known, minute=-minute)
    assert [new_value for _, _, _, new_value, _, _ in deltas(known)] == [
        "granted",
        "withdrawn",
        "granted",
    ]


@pytest.mark.parametrize(
    ("read_value", "expected"),
    [
        pytest.param("granted", [], id="same"),
        pytest.param("withdrawn", [("withdrawn", "granted")], id="other"),
        pytest.param("", [(None, "granted")], id="empty"),
        pytest.param("Granted", [("Granted", "granted")], id="spelt_otherwise"),
    ],
)
def test_a_field_that_shows_the_decision_already_is_left(
    known: Warehouse, read_value: str, expected: list[Any]
) -> None:
    put_readings(known, {"3": read_value}, NOW)
    decide(known, "yes", "granted", phone=OTHER_PHONE)
    derive(known)
    assert [row[2:4] for row in deltas(known)] == expected


def test_a_newly_stitched_contact_gets_the_decision_of_its_person(known: Warehouse) -> None:
    decide(known, "yes", "granted", phone=OTHER_PHONE)
    derive(known)
    with known.write() as connection:
        add_contact(connection, "4", phones=[OTHER_PHONE], number=1)
    stitch(known, 1)
    assert derive(known, minute=1).by_reason == {"stitched": 1}
    assert deltas(known)[1:] == [("shop_de", "4", None, "granted", "stitched", "yes")]


def test_a_merge_and_a_split_are_followed(known: Warehouse) -> None:
    decide(known, "yes", "granted", minute=1)
    decide(known, "no", "withdrawn", minute=2, phone=OTHER_PHONE)
    derive(known)
    with known.write() as connection:
        add_contact(connection, "3", phones=[PHONE, OTHER_PHONE], number=1)
    stitch(known, 1)
    derive(known, minute=1)
    with known.write() as connection:
        add_contact(connection, "3", phones=[OTHER_PHONE], number=2)
    stitch(known, 2)
    derive(known, number=2, minute=2)
    assert [row[1:4] + row[5:] for row in deltas(known)] == [
        ("1", None, "granted", "yes"),
        ("2", None, "granted", "yes"),
        ("3", None, "withdrawn", "no"),
        ("1", "granted", "withdrawn", "no"),
        ("2", "granted", "withdrawn", "no"),
        ("1", "withdrawn", "granted", "yes"),
        ("2", "withdrawn", "granted", "yes"),
    ]


def test_our_own_write_coming_back_is_no_change(known: Warehouse) -> None:
    decide(known, "yes", "granted", phone=OTHER_PHONE)
    derive(known)
    settle(known, "accepted", NOW + minutes(1))
    put_readings(known, {"3": "granted"}, NOW + minutes(2))
    assert derive(known, minute=3) == NOTHING


def test_a_reading_from_before_the_write_is_no_drift(known: Warehouse) -> None:
    """An export that was asked for earlier may land later."""
    decide(known, "yes", "granted", phone=OTHER_PHONE)
    derive(known)
    settle(known, "accepted", NOW + minutes(2))
    put_readings(known, {"3": None}, NOW + minutes(1))
    assert derive(known, minute=3) == NOTHING


@pytest.mark.parametrize("outcome", ["sending", "unknown", "rejected"])
def test_a_value_that_is_not_accepted_is_not_derived_again(known: Warehouse, outcome: str) -> None:
    decide(known, "yes", "granted", phone=OTHER_PHONE)
    derive(known)
    settle(known, outcome, NOW)
    put_readings(known, {"3": None}, NOW + minutes(2))
    assert derive(known, minute=3) == NOTHING


@pytest.mark.parametrize("read_value", [None, "", "withdrawn", "yes"])
def test_a_foreign_value_after_acceptance_is_reconciled_once(
    known: Warehouse, read_value: str | None
) -> None:
    decide(known, "yes", "granted", phone=OTHER_PHONE)
    derive(known)
    settle(known, "accepted", NOW + minutes(1))
    put_readings(known, {"3": read_value}, window(1).end + minutes(1) + (NOW - window(1).start))
    assert derive(known, minute=2).by_reason == {"reconciled": 1}
    assert derive(known, minute=3) == NOTHING
    assert deltas(known) == [
        ("shop_de", "3", None, "granted", "granted", "yes"),
        ("shop_de", "3", read_value or None, "granted", "reconciled", "yes"),
    ]


def test_each_drift_is_reconciled(known: Warehouse) -> None:
    decide(known, "yes", "granted", phone=OTHER_PHONE)
    for minute in range(0, 30, 10):
        assert derive(known, minute=minute).derived == 1
        settle(known, "accepted", NOW + minutes(minute + 1))
        put_readings(known, {"3": "withdrawn"}, NOW + minutes(minute + 2))
    assert rows(known, "select count(distinct delta_id) from opt_in_deltas") == [(3,)]


def test_a_decision_after_a_drift_is_told_as_a_decision(known: Warehouse) -> None:
    """Somebody withdrew in Emarsys; then the person decided anew."""
    decide(known, "yes", "granted", phone=OTHER_PHONE)
    derive(known)
    settle(known, "accepted", window(1).start + minutes(1))
    put_readings(known, {"3": "withdrawn"}, window(1).start + minutes(2))
    decide(known, "no", "withdrawn", minute=3, phone=OTHER_PHONE)
    assert derive(known, minute=3) == NOTHING
    decide(known, "again", "granted", minute=4, phone=OTHER_PHONE)
    derive(known, minute=4)
    assert deltas(known)[1:] == [("shop_de", "3", "withdrawn", "granted", "granted", "again")]


def test_accounts_have_fields_values_and_channels_of_their_own(known: Warehouse) -> None:
    add_field(known, "77", account="shop_at", name="Consent", string_id=None)
    add_field(known, "88", account="shop_ch")
    with known.write() as connection:
        for account in ("shop_at", "shop_ch", "shop_it"):
            add_contact(connection, "1", account=account, phones=[PHONE])
    stitch(known)
    decide(known, "yes", "granted")
    accounts = [
        make_account(),
        make_account("shop_at", field="consent", granted="1", withdrawn="0"),
        make_account("shop_ch", field="88", channel="sms"),
        make_account("shop_it", field="WhatsApp opt-in"),
    ]
    derive(known, 1, *accounts)
    assert rows(
        known, "select account, contact_id, field_id, new_value from opt_in_deltas order by all"
    ) == [
        ("shop_at", "1", "77", "1"),
        ("shop_de", "1", FIELD, "granted"),
        ("shop_de", "2", FIELD, "granted"),
    ]


@pytest.mark.parametrize(
    ("configured", "problem"),
    [
        pytest.param("no such field", "has no field 'no such field'", id="missing"),
        pytest.param("Birthday", "is of type birthdate", id="no_text"),
    ],
)
def test_an_unusable_field_stops_only_its_account(
    known: Warehouse, configured: str, problem: str
) -> None:
    add_field(known, "88", account="shop_ch", name="Birthday", application_type="birthdate")
    with known.write() as connection:
        add_contact(connection, "1", account="shop_ch", phones=[OTHER_PHONE])
    stitch(known)
    decide(known, "yes", "granted", phone=OTHER_PHONE)
    with pytest.raises(OptInFieldError, match=problem):
        derive(known, 1, make_account("shop_ch", field=configured), make_account())
    assert deltas(known) == [("shop_de", "3", None, "granted", "granted", "yes")]


@pytest.mark.parametrize(
    ("configured", "field_id"),
    [
        pytest.param("12", "12", id="id"),
        pytest.param("OPT_IN_B", "12", id="string_id"),
        pytest.param("consent", "9", id="smallest_of_a_repeated_name"),
    ],
)
def test_a_field_is_found_by_id_then_string_id_then_name(
    known: Warehouse, configured: str, field_id: str
) -> None:
    add_field(known, "9", name="Old name", string_id="opt_in_a")
    for each, string_id in (("12", "opt_in_b"), ("9", "opt_in_a"), ("30", "12")):
        add_field(known, each, name="Consent", string_id=string_id, number=1)
    decide(known, "yes", "granted", phone=OTHER_PHONE)
    derive(known, 1, make_account(field=configured))
    assert rows(known, "select field_id from opt_in_deltas") == [(field_id,)]
