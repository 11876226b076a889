"""The ledger of consent, and the fold over it."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emarsys_pipeline.inbox import ConsentMessage, Inbox
from emarsys_pipeline.stages.consent_events import ConsentEventsIngested, ingest_consent_events
from emarsys_pipeline_tests.builders import (
    add_consent,
    add_contact,
    add_platform_contact,
    window,
)
from emarsys_pipeline_tests.reference import Decision, fold
from emarsys_pipeline_tests.stages.deciding import OTHER_PHONE, PHONE, rows, stitch
from emarsys_pipeline_tests.warehouses import Warehouse

NOON = window(0).start + timedelta(hours=1)
LEDGER = "from consent_events order by inbox_sequence"


def message(event_id: str, status: str = "granted", **more: Any) -> ConsentMessage:
    return ConsentMessage(
        event_id=event_id, status=status, **{"occurred_at": NOON, "phone": PHONE, **more}
    )


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "inbox.sqlite")


def ingest(warehouse: Warehouse, inbox: Inbox, number: int = 0) -> ConsentEventsIngested:
    return ingest_consent_events(warehouse, inbox, window(number), default_region="DE")


def test_decisions_become_rows_of_the_window_that_received_them(
    warehouse: Warehouse, inbox: Inbox
) -> None:
    inbox.put(
        [
            message("e1", channel="WhatsApp"),
            message("e2", "Withdrawn", phone="0151 00000002", email=" Ann@Example.ORG "),
            message("e3", "denied", phone="4915100000003", platform_contact_id="p3"),
            message("e4", "opted-in", phone="not a number", email="nobody", channel="sms"),
        ],
        source="webhook",
        received_at=NOON,
    )
    inbox.put([message("later")], source="file", received_at=window(1).start)

    assert ingest(warehouse, inbox) == ConsentEventsIngested(
        added=4, granted=1, withdrawn=1, denied=1, unknown_status=1
    )

    start, received = window(0).start, NOON
    hashes = [hash_ for (hash_,) in rows(warehouse, "select evidence_hash " + LEDGER)]
    facts = [start, received, NOON]
    assert rows(
        warehouse,
        "select window_start, received_at, occurred_at, event_id, inbox_sequence, channel, status,"
        f" reported_status, platform_contact_id, phone_number, email_address, source {LEDGER}",
    ) == [
        (*facts, "e1", 1, "whatsapp", "granted", "granted", None, PHONE, None, "webhook"),
        (
            *(*facts, "e2", 2, "whatsapp", "withdrawn", "Withdrawn", None, "+4915100000002"),
            *("ann@example.org", "webhook"),
        ),
        (
            *(*facts, "e3", 3, "whatsapp", "denied", "denied", "p3", "+4915100000003"),
            *(None, "webhook"),
        ),
        (*facts, "e4", 4, "sms", "unknown", "opted-in", None, None, None, "webhook"),
    ]
    assert all(len(hash_) == 64 for hash_ in hashes)
    assert ingest(warehouse, inbox, 1).added == 1


def test_a_second_run_adds_nothing_and_changes_nothing(warehouse: Warehouse, inbox: Inbox) -> None:
    inbox.put([message("e1"), message("e2", "withdrawn")], source="webhook", received_at=NOON)
    ingest(warehouse, inbox)
    before = rows(warehouse, LEDGER)
    assert ingest(warehouse, inbox) == ConsentEventsIngested(
        added=0, granted=0, withdrawn=0, denied=0, unknown_status=0
    )
    inbox.put([message("e1"), message("e3")], source="webhook", received_at=NOON)
    assert ingest(warehouse, inbox).added == 1
    assert rows(warehouse, LEDGER)[:2] == before


def test_windows_may_be_taken_in_in_any_order(warehouse: Warehouse, inbox: Inbox) -> None:
    for number in range(3):
        inbox.put([message(f"e{number}")], source="file", received_at=window(number).start)
    for number in (2, 0, 1, 0):
        ingest(warehouse, inbox, number)
    assert rows(warehouse, "select window_start, event_id from consent_events order by all") == [
        (window(number).start, f"e{number}") for number in range(3)
    ]


def status(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """By contact id: the decision that holds."""
    return rows(
        warehouse,
        "select members.contact_id, consent.status, consent.event_id"
        " from identity_members as members join consent_status as consent using (identity_id)"
        " order by all",
    )


PEOPLE = ("ann", "bob", "nobody")


@pytest.fixture(scope="module")
def stitched(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Ann and Bob are known, each by phone, address and messaging-side id."""
    made = Warehouse(tmp_path_factory.mktemp("fold"), publish_interval_seconds=3600)
    made.migrate()
    with made.write() as connection:
        for position, person in enumerate(PEOPLE[:2]):
            phone, email = f"+491510000000{position}", f"{person}@example.org"
            add_contact(connection, person, phones=[phone], emails=[email])
            add_platform_contact(connection, f"p-{person}", phone=phone)
    stitch(made)
    return made


DECISIONS = st.lists(
    st.builds(
        Decision,
        event_id=st.integers(0, 30).map("e{:02d}".format),
        person=st.sampled_from(PEOPLE),
        channel=st.sampled_from(["whatsapp", "sms"]),
        status=st.sampled_from(["granted", "withdrawn", "denied", "unknown"]),
        occurred_at=st.integers(0, 3),
        received_at=st.integers(0, 3),
    ),
    max_size=20,
    unique_by=lambda decision: decision.event_id,
)


@settings(max_examples=40, deadline=None, print_blob=True)
@given(decisions=DECISIONS, reference=st.sampled_from(["platform", "phone", "email"]), seed=...)
def test_the_status_is_what_the_set_of_events_implies(
    stitched: Warehouse, decisions: list[Decision], reference: str, seed: int
) -> None:
    """Whatever the order and the repetition in which they came."""
    arrived = decisions * 2
    random.Random(seed).shuffle(arrived)  # noqa: S311 - no secret
    base = datetime(2026, 1, 1, tzinfo=UTC)
    with stitched.write() as connection:
        connection.execute("delete from consent_events")
        for decision in arrived:
            position = PEOPLE.index(decision.person)
            connection.execute(
                "insert into consent_events by name select $base::timestamptz as window_start,"
                " $event_id as event_id, 1 as inbox_sequence, $received::timestamptz as"
                " received_at, $occurred::timestamptz as occurred_at, $channel as channel,"
                " $status as status, $status as reported_status, $platform as"
                " platform_contact_id, $phone as phone_number, $email as email_address,"
                " 'webhook' as source, '' as evidence_hash",
                {
                    "base": base,
                    "event_id": decision.event_id,
                    "received": base + timedelta(seconds=decision.received_at),
                    "occurred": base + timedelta(seconds=decision.occurred_at),
                    "channel": decision.channel,
                    "status": decision.status,
                    "platform": f"p-{decision.person}" if reference == "platform" else None,
                    "phone": f"+491510000000{position}" if reference == "phone" else None,
                    "email": f"{decision.person}@example.org" if reference == "email" else None,
                },
            )
    found = rows(
        stitched,
        "select members.contact_id, channel, status, event_id from identity_members as members"
        " join consent_status using (identity_id) where members.source = 'emarsys'",
    )
    expected = fold(decision for decision in decisions if decision.person != "nobody")
    assert {(person, channel): (held, event) for person, channel, held, event in found} == expected
    assert len(found) == len(expected)


def test_the_messaging_side_id_decides_before_phone_and_phone_before_email(
    stitched: Warehouse,
) -> None:
    ann, bob = ("+4915100000000", "ann@example.org"), ("+4915100000001", "bob@example.org")
    with stitched.write() as connection:
        connection.execute("delete from consent_events")
        add_consent(
            connection, "id", "granted", platform_contact_id="p-ann", phone=bob[0], email=bob[1]
        )
        add_consent(connection, "phone", "granted", phone=ann[0], email=bob[1])
        add_consent(connection, "email", "granted", phone="+4915100000009", email=bob[1])
        add_consent(connection, "none", "granted", phone="+4915100000009")
    assert rows(
        stitched,
        "select event_id, members.contact_id, resolved_by from resolved_consent_events as events"
        " left join identity_members as members on members.identity_id = events.identity_id"
        " and members.source = 'emarsys' order by event_id",
    ) == [
        ("email", "bob", "email"),
        ("id", "ann", "platform contact"),
        ("none", None, None),
        ("phone", "ann", "phone"),
    ]


def test_a_merge_and_a_split_derive_the_status_again(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        add_contact(connection, "1", phones=[PHONE])
        add_contact(connection, "2", phones=[OTHER_PHONE])
        add_consent(connection, "early", "granted", phone=PHONE, minute=1)
        add_consent(connection, "late", "withdrawn", phone=OTHER_PHONE, minute=2)
    stitch(warehouse)
    apart = [("1", "granted", "early"), ("2", "withdrawn", "late")]
    assert status(warehouse) == apart

    with warehouse.write() as connection:
        add_contact(connection, "2", phones=[PHONE, OTHER_PHONE], number=1)
    stitch(warehouse, 1)
    assert status(warehouse) == [("1", "withdrawn", "late"), ("2", "withdrawn", "late")]

    with warehouse.write() as connection:
        add_contact(connection, "2", phones=[OTHER_PHONE], number=2)
    stitch(warehouse, 2)
    assert status(warehouse) == apart
