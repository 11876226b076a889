"""Segments: names, counts, members and asynchronous runs.

Emarsys evaluates one segment of an account at a time. Counts and members answer "not yet" (202)
while theirs is evaluated and "busy" (423) while another is; the transport waits both out.
"""

import logging
import time
from collections.abc import Iterator

from emarsys_pipeline.emarsys.endpoints import Endpoints
from emarsys_pipeline.emarsys.errors import NotYetError, RejectedRequestError, UnreadableReplyError
from emarsys_pipeline.emarsys.records import Segment, SegmentRun
from emarsys_pipeline.emarsys.shapes import as_id, as_list, as_map

logger = logging.getLogger(__name__)

MAX_MEMBERS_PER_PAGE = 1_000_000
RUN_POLL_SECONDS = 5.0
RUN_DEADLINE_SECONDS = 6 * 3600.0  # a run of a complex segment may take hours


class SegmentCalls(Endpoints):
    """Segments, combined segments and runs."""

    def list_segments(self) -> list[Segment]:
        """All segments (``segment.get``)."""
        return _segments(self._get("filter"))

    def list_combined_segments(self) -> list[Segment]:
        """All combined segments (``combinedsegment.list``), by name and id only."""
        return [
            Segment(segment.id, segment.name, segment.type or "combined")
            for segment in _segments(self._get("combinedsegments"))
        ]

    def get_segment(self, segment_id: str) -> Segment:
        """One segment (``segment.list``)."""
        data = self._get(f"filter/{int(segment_id)}")
        found = _segments(data if isinstance(data, list) else [data])
        if not found:
            raise self._unreadable(f"filter/{segment_id}", "it describes no segment")
        return found[0]

    def count_segment(self, segment_id: str) -> int:
        """The number of members (``segment.contact.count``); waits for the evaluation."""
        path = f"filter/{int(segment_id)}/contacts/count"
        data = self._get(path)
        count = as_map(data).get("count", data)
        if isinstance(count, bool) or not str(count).isdigit():
            raise self._unreadable(path, "it holds no number")
        return int(str(count))

    def segment_contact_ids(self, segment_id: str, page_size: int = 100_000) -> Iterator[list[str]]:
        """Pages of members' contact ids (``segment.contact.list``); waits for the evaluation.

        Raises:
            UnreadableReplyError: a page came twice, so the walk would never end.
        """
        if not 1 <= page_size < MAX_MEMBERS_PER_PAGE:
            raise ValueError(f"page_size {page_size} is not between 1 and 999,999")
        path = f"filter/{int(segment_id)}/contacts"
        offset = 0
        previous: list[str] = []
        while True:
            data = self._get(path, {"limit": str(page_size), "offset": str(offset)})
            page = [as_id(item) for item in as_list(data)]
            if page and page == previous:
                raise self._unreadable(path, f"the page at offset {offset} repeats the one before")
            logger.info("segment %s: %d members from %d on", segment_id, len(page), offset)
            if page:
                yield page
            if len(page) < page_size:
                return
            previous = page
            offset += len(page)

    def start_segment_run(self, segment_id: str) -> SegmentRun:
        """Start an evaluation (``segment.contacts.run``) that makes a contact list."""
        # repeating it starts a second evaluation of the same segment: wasteful, but harmless
        path = f"filter/{int(segment_id)}/runs"
        return _run(self._post(path, {}, is_repeatable=True))

    def segment_run_status(self, run_id: str) -> SegmentRun:
        """State of a run (``segment.contacts.run.status``)."""
        return _run(self._get(f"filter/runs/{run_id}"), run_id)

    def wait_for_segment_run(
        self,
        run_id: str,
        *,
        poll_seconds: float = RUN_POLL_SECONDS,
        deadline_seconds: float = RUN_DEADLINE_SECONDS,
    ) -> SegmentRun:
        """The finished run.

        Raises:
            RejectedRequestError: the run ended in an error.
            NotYetError: it was still running at the deadline.
        """
        path = f"filter/runs/{run_id}"
        deadline = time.monotonic() + deadline_seconds
        while not (run := self.segment_run_status(run_id)).is_done:
            if run.is_failed:
                raise RejectedRequestError(
                    method="GET", path=path, http_status=200, reply_text="the run ended in an error"
                )
            if time.monotonic() + poll_seconds > deadline:
                raise NotYetError(
                    method="GET", path=path, http_status=200, reply_text=f"still {run.status}"
                )
            time.sleep(poll_seconds)
        return run

    def _unreadable(self, path: str, reason: str) -> UnreadableReplyError:
        return UnreadableReplyError(method="GET", path=path, http_status=200, reason=reason)


def _segments(data: object) -> list[Segment]:
    return [
        Segment(as_id(item["id"]), str(item.get("name") or ""), str(item.get("type") or ""))
        for item in as_list(data)
        if isinstance(item, dict) and "id" in item
    ]


def _run(data: object, run_id: str = "") -> SegmentRun:
    document = as_map(data)
    result = as_map(document.get("result"))
    list_id = result.get("contact_list_id")
    count = result.get("user_count")
    return SegmentRun(
        run_id=as_id(document.get("run_id") or run_id),
        status=str(document.get("status") or ""),
        contact_list_id=None if list_id is None else as_id(list_id),
        user_count=None if count is None else int(count),
    )
