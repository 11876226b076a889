"""The import of several segments and windows, each of which lands or fails by itself.

The accounts of a window are asked at the same time, so that one that is slow holds up no other.
"""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import groupby

from emarsys_pipeline.defs.partitions import SegmentWindow
from emarsys_pipeline.defs.resources import EmarsysAccounts
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.mapped_contacts import ContactsMapped, map_segment
from emarsys_pipeline.stages.progress import Progress
from emarsys_pipeline.stages.raw_segment_exports import (
    PastWindowError,
    SegmentImported,
    import_account,
)
from emarsys_pipeline.warehouse import Warehouse, load_sql

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
    in_full: bool = False

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
        for _, group in groupby(partitions, key=lambda each: each.window):
            accounts = [
                list(of_account) for _, of_account in groupby(group, key=lambda each: each.account)
            ]
            fetched = self._fetch_all(accounts, landing) if is_fetching else iter(accounts)
            for members in fetched:
                if is_mapping:
                    self._map([each for each in members if each not in landing.errors], landing)
                    if is_fetching:
                        self._reconcile_unsound(members, landing)
        return landing

    def _fetch_all(
        self, accounts: list[list[SegmentWindow]], landing: Landing
    ) -> Iterator[list[SegmentWindow]]:
        """Fetch accounts at the same time; gives the partitions of each as soon as it is done."""
        with ThreadPoolExecutor(len(accounts), thread_name_prefix="account") as pool:
            fetching = {
                pool.submit(self._fetch, members, landing, in_full=self.in_full): members
                for members in accounts
            }
            for fetched in as_completed(fetching):
                fetched.result()
                yield fetching[fetched]

    def _reconcile_unsound(self, partitions: list[SegmentWindow], landing: Landing) -> None:
        """Import in full, at once, what was imported by changes and does not add up."""
        with self.warehouse.kept_open():
            unsound = [
                each
                for each in partitions
                if each in landing.mapped
                and landing.imported[each].mode == "changes"
                and not is_sound(self.warehouse, each, landing.mapped[each])
            ]
        if unsound:
            for each in unsound:
                logger.warning("%s does not add up: it is imported again, in full", each.key)
            self._fetch(unsound, landing, in_full=True)
            for each in unsound:
                if isinstance(landing.errors.get(each), PastWindowError):
                    del landing.errors[each]  # nothing better can be had of a past window
            self._map([each for each in unsound if each not in landing.errors], landing)

    def _fetch(self, partitions: list[SegmentWindow], landing: Landing, *, in_full: bool) -> None:
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
                    in_full=in_full,
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
        with self.warehouse.kept_open():
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


def is_sound(warehouse: Warehouse, partition: SegmentWindow, mapped: ContactsMapped) -> bool:
    """Whether all rows are accounted for and the mapped members are those of the raw rows."""
    if mapped.read != mapped.new + mapped.changed + mapped.left + mapped.unchanged:
        return False
    with warehouse.read() as connection:
        ((raw_members, mapped_members),) = connection.execute(
            load_sql(__package__, "mapped_members.sql"),
            {
                "account": partition.account,
                "segment_id": partition.segment_id,
                "window_start": partition.window.start,
            },
        ).fetchall()
    return bool(raw_members == mapped_members)
