"""Exports: start, wait, download.

``local`` distribution only: the file is fetched through the API. Delimiter and header are always
the same, so that every file can be read alike.
"""

import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

from emarsys_pipeline.emarsys.downloads import Download
from emarsys_pipeline.emarsys.endpoints import Endpoints
from emarsys_pipeline.emarsys.errors import (
    ExportFailedError,
    ExportNotReadyError,
    RejectedRequestError,
    ServerError,
    UnreadableReplyError,
)
from emarsys_pipeline.emarsys.fields import NOT_EXPORTABLE_FIELDS
from emarsys_pipeline.emarsys.records import DownloadedExport, ExportStatus
from emarsys_pipeline.emarsys.shapes import as_id, as_map, field_ids_as_numbers
from emarsys_pipeline.emarsys.transport import Request

MAX_FIELDS_PER_EXPORT = 20
MAX_POLL_SECONDS = 30.0
POLL_GROWTH = 1.5
# 4003 expired, 4006 not found; 4007 (under HTTP 500) the file could not be read
FILE_GONE_CODES = frozenset({4003, 4006})
FILE_BROKEN_CODE = 4007
# Never called by anybody: it only makes the settings of two exports differ.
NOTIFICATION_ADDRESS = "https://notification.invalid/"


class ExportCalls(Endpoints):
    """Exports of contacts."""

    _download_timeout_seconds: float

    def start_segment_export(
        self,
        segment_id: str,
        field_ids: Sequence[str],
        *,
        language: str = "en",
        notification_marker: str | None = None,
    ) -> str:
        """Start an export of a segment's members (``export.segment``); returns its id.

        Two exports with the same settings cannot run at once; ``notification_marker`` makes
        them differ.

        Raises:
            ExportAlreadyRunningError: one with these settings is running.
            NoReplyError: it may have been started; its id is lost.
        """
        body = {"filter": int(segment_id), **_common(field_ids, language, notification_marker)}
        return self._start("export/filter", body)

    def start_contact_list_export(
        self,
        contact_list_id: str,
        field_ids: Sequence[str],
        *,
        language: str = "en",
        notification_marker: str | None = None,
    ) -> str:
        """Start an export of a contact list (``export.contactlist``); as for segments."""
        common = _common(field_ids, language, notification_marker)
        return self._start("email/getcontacts", {"contactlist": int(contact_list_id), **common})

    def start_changes_export(
        self,
        field_ids: Sequence[str],
        *,
        since: date,
        until: date,
        language: str = "en",
        origin: Literal["all", "form", "api"] = "all",
        notification_marker: str | None = None,
    ) -> str:
        """Start an export of contacts that changed (``export.contact.changed``); returns its id.

        Whole days of Vienna; whether ``until`` belongs to them is not documented, so overlap.
        Imports inside Emarsys do not count as changes.
        """
        if since >= until:
            raise ValueError(
                f"since {since} must be before until {until}: nothing is exported else"
            )
        body = {
            "origin": origin,
            "origin_id": "0",
            "time_range": [since.isoformat(), until.isoformat()],
            **_common(field_ids, language, notification_marker),
        }
        return self._start("contact/getchanges", body)

    def export_status(self, export_id: str) -> ExportStatus:
        """State of an export (``export.status``)."""
        path = f"export/{int(export_id)}"
        data = as_map(self._get(path))
        if "status" not in data:
            raise UnreadableReplyError(
                method="GET", path=path, http_status=200, reason="it holds no status"
            )
        return ExportStatus(
            id=as_id(data.get("id") or export_id),
            status=str(data["status"]),
            file_name=data.get("file_name") or None,
            created=str(data.get("created") or ""),
        )

    def wait_for_export(
        self,
        export_id: str,
        *,
        poll_seconds: float = 2.0,
        deadline_seconds: float = 7200.0,
        on_wait: Callable[[ExportStatus], None] | None = None,
    ) -> ExportStatus:
        """The export when its file can be downloaded.

        The first polls are ``poll_seconds`` apart, later ones up to 30 seconds. ``on_wait`` is
        called with every state that is not final.

        Raises:
            ExportFailedError: it ended in an error.
            ExportNotReadyError: it was not done at the deadline.
        """
        deadline = time.monotonic() + deadline_seconds
        wait_seconds = poll_seconds
        while True:
            status = self.export_status(export_id)
            if status.status == "done":
                return status
            if status.status == "error":
                raise ExportFailedError(export_id=export_id, reason="its status is error")
            if on_wait:
                on_wait(status)
            if time.monotonic() + wait_seconds > deadline:
                raise ExportNotReadyError(
                    export_id=export_id,
                    reason=f"still {status.status} after {deadline_seconds:.0f} s",
                )
            time.sleep(wait_seconds)
            wait_seconds = max(poll_seconds, min(wait_seconds * POLL_GROWTH, MAX_POLL_SECONDS))

    def download_export(
        self, export_id: str, path: Path, *, on_bytes: Callable[[int], None] | None = None
    ) -> DownloadedExport:
        """Stream the file to ``path`` (``export.download``) and verify that it is whole.

        ``path`` appears only when the file is complete. ``on_bytes`` gets the number of bytes
        so far, starting again from 0 when the download is repeated.

        Raises:
            IncompleteExportError: the file is cut off or not a rectangular CSV file.
            ExportFailedError: Emarsys no longer has the file.
        """
        download = Download(self._transport, export_id, path, on_bytes)
        request = Request(method="GET", path=f"export/{int(export_id)}/data", is_repeatable=True)
        connect_seconds, _ = self._transport.timeout
        try:
            return self._transport.send(
                request, download.read, timeout=(connect_seconds, self._download_timeout_seconds)
            )
        except RejectedRequestError as error:
            if error.reply_code in FILE_GONE_CODES:
                raise ExportFailedError(
                    export_id=export_id, reason=f"reply code {error.reply_code}"
                ) from error
            raise
        except ServerError as error:
            if error.reply_code == FILE_BROKEN_CODE:
                raise ExportFailedError(export_id=export_id, reason="reply code 4007") from error
            raise

    def _start(self, path: str, body: dict[str, Any]) -> str:
        data = as_map(self._post(path, body, is_repeatable=False))
        if "id" not in data:
            raise UnreadableReplyError(
                method="POST", path=path, http_status=200, reason="it holds no export id"
            )
        return as_id(data["id"])


def _common(
    field_ids: Sequence[str], language: str, notification_marker: str | None
) -> dict[str, Any]:
    if not 1 <= len(field_ids) <= MAX_FIELDS_PER_EXPORT:
        raise ValueError(
            f"{len(field_ids)} fields in one export; Emarsys allows 1 to {MAX_FIELDS_PER_EXPORT}"
        )
    refused = sorted(NOT_EXPORTABLE_FIELDS.intersection(field_ids))
    if refused:
        raise ValueError(f"Emarsys does not export the fields {', '.join(refused)}")
    body: dict[str, Any] = {
        "distribution_method": "local",
        "contact_fields": field_ids_as_numbers(field_ids),
        "delimiter": ",",
        "add_field_names_header": 1,
        "language": language,
    }
    if notification_marker:
        body["notification_url"] = f"{NOTIFICATION_ADDRESS}{notification_marker}"
    return body
