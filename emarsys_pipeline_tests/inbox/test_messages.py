"""Which shapes are read as which message, and why others are not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from emarsys_pipeline.inbox import (
    AutomationMessage,
    ConsentMessage,
    ContactMessage,
    MessageError,
    parse_message,
)
from emarsys_pipeline.inbox.messages import Kind

OCCURRED = datetime(2026, 1, 31, 8, 30, 0, 567000, tzinfo=UTC)
CONSENT: dict[str, Any] = {
    "event_id": "e1",
    "platform_contact_id": "p1",
    "phone": "+49 30 23125000",
    "email": "mina@example.org",
    "channel": "whatsapp",
    "status": "granted",
    "occurred_at": "2026-01-31T09:30:00.567+01:00",
}


def test_our_own_consent_shape_is_read_with_its_time_in_utc() -> None:
    message = parse_message("consent", CONSENT)
    assert isinstance(message, ConsentMessage)
    assert message == ConsentMessage(
        event_id="e1",
        platform_contact_id="p1",
        phone="+49 30 23125000",
        email="mina@example.org",
        channel="whatsapp",
        status="granted",
        occurred_at=OCCURRED,
        body=message.body,
    )


def test_the_published_subscription_sample_is_read() -> None:
    sample = {
        "subscription_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "subscription_type": "Marketing Double Opt-in",
        "subscription_timestamp": "2026-01-31T08:30:00.567Z",
        "subscription_status": "granted",
        "phone": 493023125000,
    }
    message = parse_message("consent", sample)
    assert isinstance(message, ConsentMessage)
    assert (message.status, message.occurred_at, message.phone, message.channel) == (
        "granted",
        OCCURRED,
        "493023125000",
        "whatsapp",
    )
    # A subscription is granted and withdrawn under one id, so that is no id of the event.
    other = parse_message("consent", {**sample, "subscription_status": "withdrawn"})
    assert message.message_id != other.message_id
    assert message.message_id == parse_message("consent", dict(reversed(sample.items()))).message_id


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Granted", "granted"),
        (" WITHDRAWN ", "withdrawn"),
        ("denied", "denied"),
        ("Requested", "Requested"),
    ],
)
def test_an_unknown_status_is_kept_verbatim(sent: str, kept: str) -> None:
    message = parse_message("consent", {**CONSENT, "status": sent})
    assert isinstance(message, ConsentMessage)
    assert message.status == kept


def test_the_contact_upsert_shape_is_read() -> None:
    message = parse_message(
        "contact",
        {
            "external_reference_id": "493023125000",
            "source_type": "segment",
            "phone_numbers": [{"value": ""}, {"value": "+493023125000"}],
            "email_address": [{"value": "mina@example.org"}],
            "first_name": "Mina",
            "tags": [],
        },
    )
    assert isinstance(message, ContactMessage)
    assert message == ContactMessage(
        platform_contact_id="493023125000",
        first_name="Mina",
        phone="+493023125000",
        email="mina@example.org",
        body=message.body,
    )
    assert message.message_id is None


def test_a_deleted_contact_is_recognised() -> None:
    content = {"platform_contact_id": 7, "updated_at": "2026-01-31T08:30:00.567Z", "deleted": True}
    message = parse_message("contact", content)
    assert isinstance(message, ContactMessage)
    assert (message.platform_contact_id, message.updated_at, message.is_deleted) == (
        "7",
        OCCURRED,
        True,
    )


def test_an_automation_call_keeps_its_whole_content() -> None:
    message = parse_message(
        "automation",
        {"email": "mina@example.org", "deduplication_id": "d1", "event_data": {"voucher": "X1"}},
        account="shop_de",
    )
    assert message == AutomationMessage(
        account="shop_de",
        deduplication_id="d1",
        body='{"deduplication_id":"d1","email":"mina@example.org","event_data":{"voucher":"X1"}}',
    )
    assert message.message_id == "shop_de/d1"


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("consent", {**CONSENT, "status": ""}, "has no status; send granted, withdrawn or denied"),
        (
            "consent",
            {**CONSENT, "occurred_at": None},
            "has no occurred_at; send the time of the decision with its zone",
        ),
        (
            "consent",
            {**CONSENT, "occurred_at": "2026-01-31T09:30:00"},
            "occurred_at has no zone; send it with Z or an offset like +01:00",
        ),
        (
            "consent",
            {**CONSENT, "occurred_at": "yesterday"},
            "occurred_at is no time; send it like 2026-01-31T09:30:00.000Z",
        ),
        (
            "consent",
            {**CONSENT, "occurred_at": "0001-01-01T00:00:00+10:00"},
            "occurred_at is no time; send it like 2026-01-31T09:30:00.000Z",
        ),
        (
            "consent",
            {**CONSENT, "platform_contact_id": None, "phone": "", "email": " "},
            "names no person; send platform_contact_id, phone or email",
        ),
        ("consent", {**CONSENT, "phone": 1.5}, "phone is no text"),
        ("consent", {**CONSENT, "phone": True}, "phone is no text"),
        (
            "consent",
            {**CONSENT, "phone": "+49\0"},
            "phone holds a NUL character, which no database keeps",
        ),
        ("consent", {**CONSENT, "event_id": "e" * 501}, "event_id is longer than 500 characters"),
        ("consent", {**CONSENT, "note": "\ud83d"}, "holds half of a character (a lone surrogate)"),
        ("consent", ["granted"], "is no JSON object"),
        (
            "contact",
            {"phone": "+493023125000"},
            "has no platform_contact_id; send the contact's lasting id",
        ),
        (
            "contact",
            {"platform_contact_id": "1", "is_deleted": "perhaps"},
            "is_deleted is neither true nor false",
        ),
        ("automation", {}, "is empty"),
    ],
)
def test_an_unreadable_message_is_refused_with_its_reason(
    kind: Kind, content: object, reason: str
) -> None:
    with pytest.raises(MessageError) as caught:
        parse_message(kind, content, account="shop_de")
    assert str(caught.value) == reason
