"""Streams an export's file to disk and proves that it is a whole CSV file, in constant memory."""

import csv
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import requests

from emarsys_pipeline.emarsys.errors import IncompleteExportError, UnreadableReplyError
from emarsys_pipeline.emarsys.records import DownloadedExport
from emarsys_pipeline.emarsys.replies import read_reply
from emarsys_pipeline.emarsys.transport import Request, Transport

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 18
MAX_ERROR_BYTES = 1 << 20
USER_ID = "user_id"


class Download:
    """One download, which may take several attempts; each begins the file anew."""

    def __init__(
        self,
        transport: Transport,
        export_id: str,
        path: Path,
        on_bytes: Callable[[int], None] | None,
    ) -> None:
        self._transport = transport
        self._export_id = export_id
        self._path = path
        self._on_bytes = on_bytes

    def read(self, request: Request, response: requests.Response) -> DownloadedExport:
        """The file of a reply, on disk and verified."""
        content_type = response.headers.get("Content-Type", "").lower()
        if response.status_code != requests.codes.ok or "csv" not in content_type:
            self._refuse(request, response, content_type)
        partial = self._path.with_name(self._path.name + ".part")
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            size = self._stream(response, partial)
            header, rows, line_end = verify_csv(partial, self._export_id)
            partial.replace(self._path)
        finally:
            partial.unlink(missing_ok=True)
        logger.info("export %s: %d rows, %d bytes", self._export_id, rows, size)
        return DownloadedExport(
            path=self._path,
            bytes=size,
            header=header,
            rows=rows,
            has_user_id=header[0].strip().lower() == USER_ID,
            line_end=line_end,
        )

    def _stream(self, response: requests.Response, partial: Path) -> int:
        size = 0
        with partial.open("wb") as file:
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                size += len(chunk)
                self._transport.count_bytes(len(chunk))
                if self._on_bytes:
                    self._on_bytes(size)
        return size

    def _refuse(self, request: Request, response: requests.Response, content_type: str) -> None:
        # an error document is small; a large file of another type is not worth its memory
        content = next(response.iter_content(MAX_ERROR_BYTES), b"")
        self._transport.count_bytes(len(content))
        read_reply(
            response, content, method=request.method, path=request.path, now=self._transport.now()
        )
        raise UnreadableReplyError(
            method=request.method,
            path=request.path,
            http_status=response.status_code,
            reason=f"it is {content_type or 'of no content type'} instead of a CSV file",
        )


def verify_csv(path: Path, export_id: str) -> tuple[tuple[str, ...], int, str]:
    """Header, number of records and line end of a file that is complete.

    Complete: it has a header, the last record ends with a line break outside quotes, and every
    record has as many columns as the header. Half a million records of 20 columns take about a
    second; a cell may have up to 131,072 characters (the csv module's limit, which also bounds
    what an opened and never closed quote can swallow).

    Raises:
        IncompleteExportError: it is not.
    """
    line_end = _last_line_end(path, export_id)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # strict: without it the parser closes an open quote at the end of the file
            records = csv.reader(file, strict=True)
            header = tuple(next(records, []))
            widths = Counter(map(len, records))
    except (UnicodeDecodeError, csv.Error) as error:
        reason = "it is not UTF-8" if isinstance(error, ValueError) else f"bad CSV ({error})"
        raise IncompleteExportError(export_id=export_id, reason=reason) from None
    if not header:
        raise IncompleteExportError(export_id=export_id, reason="it has no header")
    rows = widths.pop(len(header), 0)
    if len(header) == 1:
        rows += widths.pop(0, 0)  # the empty value of an only column is an empty line
    if widths:
        raise IncompleteExportError(
            export_id=export_id,
            reason=f"{widths.total()} records do not have the header's {len(header)} columns",
        )
    return header, rows, line_end


def _last_line_end(path: Path, export_id: str) -> str:
    size = path.stat().st_size
    if size == 0:
        raise IncompleteExportError(export_id=export_id, reason="it is empty, without a header")
    with path.open("rb") as file:
        file.seek(max(0, size - 2))
        tail = file.read()
    if not tail.endswith(b"\n"):
        raise IncompleteExportError(export_id=export_id, reason="its last record does not end")
    return "\r\n" if tail == b"\r\n" else "\n"
