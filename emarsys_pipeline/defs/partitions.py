"""Partitions: configured segments, windows of time, and the two together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from emarsys_pipeline.windows import KEY_FORMAT, Window, WindowGrid

SEGMENTS_NAME = "emarsys_segment"
SEGMENT_DIMENSION = "segment"
WINDOW_DIMENSION = "window"
KEY_SEPARATOR = "|"

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
WINDOW_TAG = "window"  # without a prefix, since lists cut long names off
SEGMENTS_TAG = "segments"
IN_FULL_TAG = "in_full"


def segment_key(account: str, segment_id: str) -> str:
    """The partition key of a segment, for example ``shop_de-100400123``."""
    return f"{account}-{segment_id}"


def split_segment_key(key: str) -> tuple[str, str]:
    """The account and the segment id of a partition key; account names hold no hyphen."""
    account, _, segment_id = key.partition("-")
    return account, segment_id


@dataclass(frozen=True, slots=True, order=True)
class SegmentWindow:
    """One partition of the import: one segment in one window."""

    window: Window
    segment: str

    @property
    def key(self) -> str:
        """The partition key that Dagster uses."""
        return multi_key(self.segment, self.window.key)

    @property
    def account(self) -> str:
        """The account that the segment belongs to."""
        return split_segment_key(self.segment)[0]

    @property
    def segment_id(self) -> str:
        """The segment's id in Emarsys."""
        return split_segment_key(self.segment)[1]


def multi_key(segment: str, window: str) -> str:
    """The key of a segment in a window: dimensions in alphabetical order, as Dagster has it."""
    return f"{segment}{KEY_SEPARATOR}{window}"


def range_tags(first: str, last: str) -> dict[str, str]:
    """Run tags that ask for all partitions from ``first`` to ``last`` in one run.

    Of keys with two dimensions it is every combination: each segment from the first to the last
    in each window from the first to the last.
    """
    return {RANGE_START_TAG: first, RANGE_END_TAG: last}


def import_range_tags(segments: Sequence[str], window: Window) -> dict[str, str]:
    """Run tags that ask for one window of neighbouring segments in one run.

    Dagster hides its own tags in lists of runs; ours tell there which window a run imports.
    """
    asked = range_tags(multi_key(segments[0], window.key), multi_key(segments[-1], window.key))
    return {**asked, WINDOW_TAG: window.key, SEGMENTS_TAG: str(len(segments))}


@dataclass(frozen=True)
class Partitions:
    """The partitions of one grid of windows."""

    grid: WindowGrid

    @cached_property
    def segments(self) -> dg.DynamicPartitionsDefinition:
        """Configured segments; the catalogue sensor adds and removes their keys."""
        return dg.DynamicPartitionsDefinition(name=SEGMENTS_NAME)

    @cached_property
    def windows(self) -> dg.TimeWindowPartitionsDefinition:
        """Windows that have ended."""
        return self._windows(end_offset=0)

    @cached_property
    def open_windows(self) -> dg.TimeWindowPartitionsDefinition:
        """Windows that have ended, and the one that is open now."""
        return self._windows(end_offset=1)

    @cached_property
    def segment_windows(self) -> dg.MultiPartitionsDefinition:
        """Each segment in each window that has ended."""
        return dg.MultiPartitionsDefinition(
            {SEGMENT_DIMENSION: self.segments, WINDOW_DIMENSION: self.windows}
        )

    def parse_segment_windows(self, keys: Iterable[str]) -> list[SegmentWindow]:
        """The partitions with these keys, oldest window first."""
        pairs = (key.split(KEY_SEPARATOR) for key in keys)
        return sorted(SegmentWindow(self.grid.parse(window), segment) for segment, window in pairs)

    def parse_windows(self, keys: Iterable[str]) -> list[Window]:
        """The windows with these keys, oldest first."""
        return sorted(self.grid.parse(key) for key in keys)

    def _windows(self, *, end_offset: int) -> dg.TimeWindowPartitionsDefinition:
        return dg.TimeWindowPartitionsDefinition(
            start=self.grid.start,
            cron_schedule=self.grid.cron(),
            fmt=KEY_FORMAT,
            timezone="UTC",
            end_offset=end_offset,
        )
