"""The three kinds of messages, and how each is read from the shapes that senders use.

Our own shape is flat. The others are what the charles messaging platform publishes of itself: the
properties of its "Subscribed to WhatsApp" metric (``subscription_status`` and
``subscription_timestamp``) and the body of its contact upsert (``external_reference_id``,
``phone_numbers: [{value}]``, ``email_address: [{value}]``). Its webhooks are not public; that a
subscription event also carries a phone number, an address or an id of the person is assumed here.

Values are taken as written: normalising phone numbers and addresses is for the stages.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

Kind = Literal["consent", "contact", "automation"]
KNOWN_STATUSES = frozenset({"granted", "withdrawn", "denied"})
DEFAULT_CHANNEL = "whatsapp"
# PostgreSQL cannot index much more; ids that senders use are far shorter.
MAX_ID_CHARACTERS = 500
ID_NAMES = ("event_id", "deduplication_id", "platform_contact_id", "external_reference_id")

# Names of the same thing in the shapes above; the first that has a value counts.
PERSON_NAMES = ("platform_contact_id", "external_reference_id")
PHONE_NAMES = ("phone", "phone_number", "phone_numbers")
EMAIL_NAMES = ("email", "email_address", "email_addresses")
STATUS_NAMES = ("status", "subscription_status")
OCCURRED_NAMES = ("occurred_at", "subscription_timestamp")


class MessageError(ValueError):
    """A message that cannot be read; the text says why and repeats no personal data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentMessage:
    """One decision of a person about one channel.

    ``status`` is granted, withdrawn or denied, or what the sender wrote if it is none of them.
    """

    kind: ClassVar[Kind] = "consent"
    event_id: str
    platform_contact_id: str | None = None
    phone: str | None = None
    email: str | None = None
    channel: str = DEFAULT_CHANNEL
    status: str
    occurred_at: datetime
    body: str = "{}"

    @property
    def message_id(self) -> str | None:
        """What a second delivery of the same event has in common with the first."""
        return self.event_id

    @property
    def subject(self) -> str:
        """What the message is about, to find the one before."""
        return self.event_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactMessage:
    """The state of one messaging-side contact; ``updated_at`` None means when it was received."""

    kind: ClassVar[Kind] = "contact"
    event_id: str | None = None
    platform_contact_id: str
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    email: str | None = None
    updated_at: datetime | None = None
    is_deleted: bool = False
    body: str = "{}"

    @property
    def message_id(self) -> str | None:
        """The event's id, else the content with its time; None if it carries neither.

        A contact may return to an earlier state, so content alone does not tell a second delivery
        from a second change.
        """
        if self.event_id is not None:
            return self.event_id
        return None if self.updated_at is None else content_hash(self.body)

    @property
    def subject(self) -> str:
        """The contact."""
        return self.platform_contact_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationMessage:
    """One call of a webhook node in an Emarsys automation: one contact, with the event's data."""

    kind: ClassVar[Kind] = "automation"
    account: str
    deduplication_id: str | None = None
    event_time: str | None = None
    body: str

    @property
    def message_id(self) -> str | None:
        """The deduplication id, else the content with its time; None if it carries neither."""
        if self.deduplication_id is not None:
            return f"{self.account}/{self.deduplication_id}"
        return None if self.event_time is None else self.subject

    @property
    def subject(self) -> str:
        """The account and the content."""
        return f"{self.account}/{content_hash(self.body)}"


Message = ConsentMessage | ContactMessage | AutomationMessage


def parse_message(kind: Kind, content: object, *, account: str | None = None) -> Message:
    """Read one decoded JSON object as a message of ``kind``; automations need their account.

    Raises:
        MessageError: it is no such message, with the reason.
    """
    if not isinstance(content, Mapping):
        raise MessageError("is no JSON object")
    body = _canonical(content)
    if kind == "consent":
        return _consent(content, body)
    if kind == "contact":
        return _contact(content, body)
    if account is None:
        raise MessageError("an automation call needs the account it belongs to")
    if not content:
        raise MessageError("is empty")
    return AutomationMessage(
        account=account,
        deduplication_id=_text(content, "deduplication_id"),
        event_time=_text(content, "event_time"),
        body=body,
    )


def load_json(raw: bytes) -> object:
    """Decode JSON as senders should write it.

    Raises:
        MessageError: it is none, or an object repeats a key: which of two values the sender meant
            is not ours to guess where it may be consent.
    """
    try:
        return json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_without_repetition)
    except MessageError:
        raise
    except (ValueError, RecursionError):
        raise MessageError("is no JSON in UTF-8") from None


def content_hash(body: str) -> str:
    """A stable hash of a message's content."""
    return hashlib.sha256(body.encode()).hexdigest()


def _consent(content: Mapping[str, Any], body: str) -> ConsentMessage:
    status = _text(content, *STATUS_NAMES)
    if status is None:
        raise MessageError("has no status; send granted, withdrawn or denied")
    occurred_at = _time(content, *OCCURRED_NAMES)
    if occurred_at is None:
        raise MessageError("has no occurred_at; send the time of the decision with its zone")
    person = _text(content, *PERSON_NAMES)
    phone, email = _text(content, *PHONE_NAMES), _text(content, *EMAIL_NAMES)
    if person is None and phone is None and email is None:
        raise MessageError("names no person; send platform_contact_id, phone or email")
    known = status.lower()
    return ConsentMessage(
        event_id=_text(content, "event_id") or content_hash(body),
        platform_contact_id=person,
        phone=phone,
        email=email,
        channel=(_text(content, "channel") or DEFAULT_CHANNEL).lower(),
        status=known if known in KNOWN_STATUSES else status,
        occurred_at=occurred_at,
        body=body,
    )


def _contact(content: Mapping[str, Any], body: str) -> ContactMessage:
    person = _text(content, *PERSON_NAMES)
    if person is None:
        raise MessageError("has no platform_contact_id; send the contact's lasting id")
    return ContactMessage(
        event_id=_text(content, "event_id"),
        platform_contact_id=person,
        first_name=_text(content, "first_name"),
        last_name=_text(content, "last_name"),
        phone=_text(content, *PHONE_NAMES),
        email=_text(content, *EMAIL_NAMES),
        updated_at=_time(content, "updated_at"),
        is_deleted=_flag(content, "is_deleted", "deleted"),
        body=body,
    )


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise MessageError("repeats a key")
    return content


def _canonical(content: Mapping[str, Any]) -> str:
    """The content as JSON that does not depend on the order or spacing it was sent in."""
    try:
        body = json.dumps(
            content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )
        body.encode()
    except UnicodeEncodeError:
        raise MessageError("holds half of a character (a lone surrogate)") from None
    except (TypeError, ValueError) as error:
        raise MessageError(f"is no JSON: {error}") from None
    except RecursionError:
        raise MessageError("is nested too deeply") from None
    return body


def _text(content: Mapping[str, Any], *names: str) -> str | None:
    """The first of these names that has a value, as text without spaces around it."""
    for name in names:
        value = content.get(name)
        if isinstance(value, list):
            value = next((text for item in value if (text := _scalar(item, name))), None)
        text = _scalar(value, name)
        if text:
            return text
    return None


def _scalar(value: object, name: str) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("value")
    if value is None:
        return None
    if isinstance(value, bool | float | list | Mapping):
        raise MessageError(f"{name} is no text")
    text = str(value).strip()
    if "\0" in text:
        raise MessageError(f"{name} holds a NUL character, which no database keeps")
    if name in ID_NAMES and len(text) > MAX_ID_CHARACTERS:
        raise MessageError(f"{name} is longer than {MAX_ID_CHARACTERS} characters")
    return text


def _flag(content: Mapping[str, Any], *names: str) -> bool:
    for name in names:
        value = content.get(name)
        if isinstance(value, str):
            value = {"true": True, "false": False, "": None}.get(value.strip().lower(), value)
        if isinstance(value, bool):
            return value
        if value is not None:
            raise MessageError(f"{name} is neither true nor false")
    return False


def _time(content: Mapping[str, Any], *names: str) -> datetime | None:
    text = _text(content, *names)
    if text is None:
        return None
    name = next(name for name in names if content.get(name))
    try:
        moment = datetime.fromisoformat(text)
        in_utc = None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise MessageError(f"{name} is no time; send it like 2026-01-31T09:30:00.000Z") from None
    if in_utc is None:
        raise MessageError(f"{name} has no zone; send it with Z or an offset like +01:00")
    return in_utc
