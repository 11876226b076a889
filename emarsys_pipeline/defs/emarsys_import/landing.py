"""The import of several segments and windows, each of which lands or fails by itself."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from emarsys_pipeline.defs.partitions import SegmentWindow
from emarsys_pipeline.defs.resources import EmarsysAccounts
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.mapped_contacts import ContactsMapped, map_segment
from emarsys_pipeline.stages.progress import Progress
from emarsys_pipeline.stages.raw_segment_exports import SegmentImported, import_account
from emarsys_pipeline.warehouse import Warehouse

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Landing:
    """What one run brought, by partition."""

    imported: dict[SegmentWindow, SegmentImported] = field(default_factory=dict)
    mapped: dict[SegmentWindow, ContactsMapped] = field(default_factory=dict)
    errors: dict[SegmentWindow, Exception] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentLander:
    """Fetches and maps partitions; the error of one is kept and the others go on."""

    settings: Settings
    warehouse: Warehouse
    emarsys: EmarsysAccounts
    run_id: str
    progress: Progress

    def land(
        self, partitions: Sequence[SegmentWindow], *, is_fetching: bool, is_mapping: bool
    ) -> Landing:
        """Land the partitions, oldest window first.

        Args:
            partitions: what to land, in the order of their windows.
            is_fetching: ask Emarsys; else the stored raw rows are used.
            is_mapping: map the raw rows.
        """
        landing = Landing()
        for _, group in groupby(partitions, key=lambda each: (each.window, each.account)):
            members = list(group)
            if is_fetching:
                self._fetch(members, landing)
            if is_mapping:
                self._map([each for each in members if each not in landing.errors], landing)
        return landing

    def _fetch(self, partitions: list[SegmentWindow], landing: Landing) -> None:
        """Fetch the segments of one account in one window."""
        first = partitions[0]
        try:
            account = self.settings.account(first.account)
            with self.emarsys.client(first.account) as client:
                results = import_account(
                    self.warehouse,
                    client,
                    account,
                    [each.segment_id for each in partitions],
                    first.window,
                    imports=self.settings.imports,
                    downloads=self.settings.downloads,
                    run_id=self.run_id,
                    progress=self.progress,
                )
        except Exception as error:  # noqa: BLE001 an account in trouble must not hold up the others
            landing.errors.update(dict.fromkeys(partitions, error))
            return
        for each in partitions:
            result = results[each.segment_id]
            if isinstance(result, Exception):
                landing.errors[each] = result
            else:
                landing.imported[each] = result
                logger.info("%s: %s, %d members", each.key, result.mode, result.members)

    def _map(self, partitions: list[SegmentWindow], landing: Landing) -> None:
        for each in partitions:
            try:
                landing.mapped[each] = map_segment(
                    self.warehouse,
                    self.settings.account(each.account),
                    each.segment_id,
                    each.window,
                    property_types=self.settings.property_types,
                    run_id=self.run_id,
                )
            except Exception as error:  # noqa: BLE001 a segment in trouble must not hold up the others
                landing.errors[each] = error
