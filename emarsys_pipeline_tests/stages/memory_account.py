"""An Emarsys account in memory that gives what the client would: fast enough for many histories.

It has one segment per set of members, answers at once and never fails; what goes over the wire is
tested against the sandbox.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from emarsys_pipeline.emarsys import Choice, ContactsFound, DownloadedExport, ExportStatus, Field
from emarsys_pipeline.emarsys.downloads import verify_csv
from emarsys_pipeline_tests.stages.landed_rows import CHOICES, FIELDS

Contact = dict[str, str | None]

SINGLE_CHOICE_FIELDS = {"14", "46"}
VIENNA = ZoneInfo("Europe/Vienna")


class MemoryAccount:
    """Contacts by id, each a map of field id to what getdata gives; segments by id.

    Attributes:
        changes: the reported edits, as moment and contact.
        repeated: contacts that a changes export names twice, with equal values.
        contradicted: contacts that a changes export names twice, with different values.
        spoil: what becomes of each file on its way.
        reported: the contacts of the last changes export.
    """

    def __init__(self, *, has_user_id: bool = False) -> None:
        self.contacts: dict[str, Contact] = {}
        self.segments: dict[str, set[str]] = {}
        self.changes: list[tuple[datetime, str]] = []
        self.repeated: set[str] = set()
        self.contradicted: set[str] = set()
        self.reported: set[str] = set()
        self.has_user_id = has_user_id
        self.exports: dict[str, tuple[list[str], list[str], bool]] = {}
        self.spoil: Callable[[bytes], bytes] = bytes
        self.requests: list[str] = []
        self.calls = 0

    def list_fields(self, *_: Any) -> list[Field]:
        return [Field(*field) for field in FIELDS]

    def list_choices(self, field_ids: Sequence[str], *_: Any) -> dict[str, list[Choice]]:
        return {
            field_id: [Choice(choice[1], choice[2]) for choice in CHOICES if choice[0] == field_id]
            for field_id in field_ids
        }

    def count_segment(self, segment_id: str) -> int:
        return len(self.segments[segment_id])

    def segment_contact_ids(self, segment_id: str) -> Iterator[list[str]]:
        yield sorted(self.segments[segment_id])

    def start_segment_export(self, segment_id: str, field_ids: Sequence[str], **_: Any) -> str:
        self.requests.append(f"export {segment_id}")
        members = sorted(self.segments[segment_id], reverse=True)
        return self._export(members, field_ids, has_user_id=self.has_user_id)

    def start_changes_export(
        self, field_ids: Sequence[str], *, since: date, until: date, **_: Any
    ) -> str:
        self.requests.append(f"changes {since} {until}")
        days = {(moment.astimezone(VIENNA).date(), each) for moment, each in self.changes}
        self.reported = {each for day, each in days if since <= day <= until} & set(self.contacts)
        twice = self.reported & (self.repeated | self.contradicted)
        return self._export([*sorted(self.reported), *sorted(twice)], field_ids, has_user_id=True)

    def wait_for_export(self, export_id: str, **_: Any) -> ExportStatus:
        return ExportStatus(export_id, "done")

    def download_export(self, export_id: str, path: Path) -> DownloadedExport:
        contact_ids, field_ids, has_user_id = self.exports[export_id]
        names = {field[0]: field[1] for field in FIELDS}
        header = ["user_id"] * has_user_id + [names[field_id] for field_id in field_ids]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            written = set()
            for contact_id in contact_ids:
                values = [self._label(contact_id, field_id) for field_id in field_ids]
                if contact_id in written and contact_id in self.contradicted:
                    values = ["another", *values[1:]]
                written.add(contact_id)
                writer.writerow([contact_id] * has_user_id + values)
        path.write_bytes(self.spoil(path.read_bytes()))
        found, rows, line_end = verify_csv(path, export_id)
        size = path.stat().st_size
        return DownloadedExport(path, size, found, rows, found[0].lower() == "user_id", line_end)

    def get_contacts(
        self, keys: Sequence[str], *, fields: Sequence[str], **_: Any
    ) -> ContactsFound:
        self.requests.append(f"getdata {len(keys)}")
        found: list[dict[str, Any]] = []
        for key in keys:
            if contact := self.contacts.get(key):
                values: Mapping[str, Any] = {name: contact.get(name) or None for name in fields}
                found.append({"id": key, "uid": "u", **_with_lists(values)})
        return ContactsFound(found, {})

    def _export(
        self, contact_ids: list[str], field_ids: Sequence[str], *, has_user_id: bool
    ) -> str:
        export_id = str(len(self.exports) + 1)
        self.exports[export_id] = (contact_ids, list(field_ids), has_user_id)
        return export_id

    def _label(self, contact_id: str, field_id: str) -> str:
        value = self.contacts[contact_id].get(field_id) or ""
        if field_id in SINGLE_CHOICE_FIELDS:
            return next((choice[2] for choice in CHOICES if choice[:2] == (field_id, value)), value)
        return value


def _with_lists(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.split(",") if name == "901" and value else value
        for name, value in values.items()
    }
