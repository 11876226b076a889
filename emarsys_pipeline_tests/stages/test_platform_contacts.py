"""Messages about messaging-side contacts become rows."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.inbox import ContactMessage, Inbox
from emarsys_pipeline.stages.platform_contacts import (
    PlatformContactsIngested,
    ingest_platform_contacts,
)
from emarsys_pipeline_tests.builders import window
from emarsys_pipeline_tests.stages.deciding import rows, stitch
from emarsys_pipeline_tests.warehouses import Warehouse

RECEIVED = window(0).start + timedelta(hours=2)
TABLE = "from platform_contacts order by inbox_sequence"
NOTHING = PlatformContactsIngested(added=0, invalid_phone_numbers=0, invalid_email_addresses=0)


def contact(platform_contact_id: str, event_id: str, **more: Any) -> ContactMessage:
    return ContactMessage(platform_contact_id=platform_contact_id, event_id=event_id, **more)


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "inbox.sqlite")


def ingest(warehouse: Warehouse, inbox: Inbox, number: int = 0) -> PlatformContactsIngested:
    return ingest_platform_contacts(warehouse, inbox, window(number), default_region="DE")


def test_messages_become_rows_with_normalised_identifiers(
    warehouse: Warehouse, inbox: Inbox
) -> None:
    changed = window(0).start
    inbox.put(
        [
            contact("p1", "m1", phone="4915100000001", first_name="Ann", updated_at=changed),
            contact("p2", "m2", phone="0151 00000002", email="Bob@Example.ORG", last_name=""),
            contact("p3", "m3", phone="123", email="nobody"),
            contact("p1", "m4", is_deleted=True),
        ],
        source="webhook",
        received_at=RECEIVED,
    )
    assert ingest(warehouse, inbox) == PlatformContactsIngested(
        added=4, invalid_phone_numbers=1, invalid_email_addresses=1
    )
    start = window(0).start
    assert rows(
        warehouse,
        "select window_start, message_id, inbox_sequence, received_at, updated_at,"
        " platform_contact_id, is_deleted, first_name, last_name, phone, phone_number, email,"
        f" email_address {TABLE}",
    ) == [
        (
            *(start, "m1", 1, RECEIVED, changed, "p1", False, "Ann", None),
            *("4915100000001", "+4915100000001", None, None),
        ),
        (
            *(start, "m2", 2, RECEIVED, RECEIVED, "p2", False, None, None),
            *("0151 00000002", "+4915100000002", "Bob@Example.ORG", "bob@example.org"),
        ),
        (
            *(start, "m3", 3, RECEIVED, RECEIVED, "p3", False, None, None),
            *("123", None, "nobody", None),
        ),
        (*(start, "m4", 4, RECEIVED, RECEIVED, "p1", True, None, None), *[None] * 4),
    ]


def test_a_second_run_adds_nothing(warehouse: Warehouse, inbox: Inbox) -> None:
    inbox.put([contact("p1", "m1")], source="webhook", received_at=RECEIVED)
    inbox.put([contact("p2", "m2")], source="webhook", received_at=window(1).start)
    assert ingest(warehouse, inbox, 1).added == 1
    assert ingest(warehouse, inbox).added == 1
    before = rows(warehouse, TABLE)
    assert ingest(warehouse, inbox) == NOTHING
    assert ingest(warehouse, inbox, 1) == NOTHING
    assert ingest(warehouse, inbox, 2) == NOTHING
    assert rows(warehouse, TABLE) == before


def test_a_deleted_contact_stays_who_it_was(warehouse: Warehouse, inbox: Inbox) -> None:
    inbox.put([contact("p1", "m1", phone="4915100000001")], source="file", received_at=RECEIVED)
    inbox.put([contact("p2", "m2", phone="4915100000001")], source="file", received_at=RECEIVED)
    ingest(warehouse, inbox)
    stitch(warehouse)
    before = rows(warehouse, "from identity_members order by all")
    inbox.put([contact("p1", "m3", is_deleted=True)], source="file", received_at=window(1).start)
    ingest(warehouse, inbox, 1)
    stitch(warehouse, 1)
    assert rows(warehouse, "from identity_members order by all") == before
    assert len({identity for identity, *_ in before}) == 1
