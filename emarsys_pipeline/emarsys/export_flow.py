"""The whole way of one export: start, wait, download, and start again when its file is lost.

For callers that need no record of each step; the import keeps its own.
"""

import logging
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from emarsys_pipeline.emarsys.errors import (
    ExportAlreadyRunningError,
    ExportFailedError,
    ExportNotReadyError,
    IncompleteExportError,
    NoReplyError,
)
from emarsys_pipeline.emarsys.exports import ExportCalls
from emarsys_pipeline.emarsys.records import DownloadedExport

logger = logging.getLogger(__name__)

MAX_EXPORTS = 3
ALREADY_RUNNING_POLL_SECONDS = 10.0


def fetch_export(
    client: ExportCalls,
    start: Callable[[str | None], str],
    path: Path,
    *,
    poll_seconds: float = 2.0,
    deadline_seconds: float = 7200.0,
    already_running_poll_seconds: float = ALREADY_RUNNING_POLL_SECONDS,
) -> DownloadedExport:
    """Bring an export's file to ``path``.

    Args:
        client: the account.
        start: starts the export with the notification marker given and returns its id, for
            example ``lambda marker: client.start_segment_export(..., notification_marker=marker)``.
        path: where the file goes.
        poll_seconds: between the first polls of its state.
        deadline_seconds: for everything together.
        already_running_poll_seconds: between attempts to start while 4001 is answered.

    An export that ended in an error, or whose file has expired or is broken, is started again,
    three times in all. While one with the same settings is running (4001), perhaps our own whose
    reply was lost, nothing new is started until it has ended.
    """
    deadline = time.monotonic() + deadline_seconds
    marker: str | None = None
    for number in range(1, MAX_EXPORTS + 1):
        export_id = _start(start, marker, deadline, already_running_poll_seconds)
        try:
            remaining = max(deadline - time.monotonic(), 0)
            client.wait_for_export(export_id, poll_seconds=poll_seconds, deadline_seconds=remaining)
            return client.download_export(export_id, path)
        except ExportNotReadyError:
            raise
        except (ExportFailedError, IncompleteExportError) as error:
            if number == MAX_EXPORTS:
                raise
            logger.warning("%s", error)
            # the failed one may still count as running with these settings
            marker = uuid.uuid4().hex
    raise AssertionError("the loop returns or raises")


def _start(
    start: Callable[[str | None], str],
    marker: str | None,
    deadline: float,
    poll_seconds: float,
) -> str:
    """The id of a started export, waiting while one with the same settings is running."""
    lost_replies = 0
    while True:
        try:
            return start(marker)
        except ExportAlreadyRunningError:
            if time.monotonic() + poll_seconds > deadline:
                raise
        except NoReplyError:
            # it may be running: then the next attempt answers 4001 and waits for its end
            lost_replies += 1
            if lost_replies == MAX_EXPORTS or time.monotonic() + poll_seconds > deadline:
                raise
        time.sleep(poll_seconds)
