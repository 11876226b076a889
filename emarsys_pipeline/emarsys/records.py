"""What the calls return: ids are always strings, empty values always None.

Whatever can hold personal data is left out of ``repr``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Field value as read: None, text, or the choice ids of a multi choice field.
Value = str | list[str] | None


@dataclass(frozen=True, slots=True)
class Field:
    """A contact field; ``name`` is translated, may repeat between fields, and may be empty."""

    id: str
    name: str
    string_id: str
    application_type: str

    @property
    def has_choices(self) -> bool:
        """Whether its values are choice ids."""
        return self.application_type in {
            "singlechoice",
            "unindexed singlechoice",
            "multichoice",
            "interests",
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a field, with its translated label."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment; ``type`` is standard, combined, relational or ai, and empty when not told."""

    id: str
    name: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class SegmentRun:
    """An asynchronous evaluation; the contact list it made is kept for at least 12 hours."""

    run_id: str
    status: str
    contact_list_id: str | None = None
    user_count: int | None = None

    @property
    def is_done(self) -> bool:
        """Whether the contact list can be read."""
        return self.status == "done"

    @property
    def is_failed(self) -> bool:
        """Whether the run ended without a result."""
        return self.status == "error"


@dataclass(frozen=True, slots=True)
class ContactList:
    """A contact list; ``created`` is naive local time in Vienna, as Emarsys writes it."""

    id: str
    name: str
    created: str = ""


@dataclass(frozen=True, slots=True)
class ExportStatus:
    """State of an export: scheduled, in progress, ready, done or error."""

    id: str
    status: str
    file_name: str | None = None
    created: str = ""


@dataclass(frozen=True, slots=True)
class DownloadedExport:
    r"""A complete CSV file on disk.

    Attributes:
        path: the file; UTF-8, comma separated, first line the header.
        bytes: its size.
        header: the column names as Emarsys wrote them (translated, may repeat).
        rows: records below the header.
        has_user_id: whether the first column is ``user_id``, the contact id.
        line_end: ``"\r\n"`` or ``"\n"``, as seen at the end of the file.
    """

    path: Path
    bytes: int
    header: tuple[str, ...]
    rows: int
    has_user_id: bool
    line_end: str


@dataclass(frozen=True, slots=True)
class ContactError:
    """Why one contact of a call failed; ``text`` is masked."""

    code: int
    text: str
    is_retryable: bool = False


@dataclass(frozen=True, slots=True)
class ContactsFound:
    """Contacts by getdata: each maps ``id``, ``uid`` and the ids of the fields asked for."""

    contacts: list[dict[str, Any]] = field(repr=False)
    errors: Mapping[str, ContactError] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ContactsUpdated:
    """What one write did: ids of the contacts written, and errors by key value."""

    updated: tuple[str, ...]
    errors: Mapping[str, ContactError] = field(repr=False)
    http_status: int
    reply_code: int


@dataclass(frozen=True, slots=True)
class CheckedIds:
    """Contact ids by key value, and errors by key value."""

    ids: Mapping[str, str] = field(repr=False)
    errors: Mapping[str, ContactError] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExternalEvent:
    """An external event of the account."""

    id: str
    name: str
    created: str = ""


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """One contact for whom an event is triggered; ``trigger_id`` makes a repetition harmless."""

    key: str = field(repr=False)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    trigger_id: str | None = None


@dataclass(frozen=True, slots=True)
class EventsTriggered:
    """Contact ids that were accepted, and errors by key value."""

    ids: tuple[str, ...]
    errors: Mapping[str, ContactError] = field(repr=False)
