"""Stage raw_segment_exports: what Emarsys delivered for each segment of an account in a window.

Reads: the Emarsys API, and what earlier windows stored. Writes: raw_segment_exports,
segment_imports, export_intents, emarsys_fields, emarsys_choices.

One row per: contact that the import of a segment delivered, or saw leave.

Each segment lands in a transaction of its own: one in full as soon as it is there, since asking for
it again is dear; those by changes one after the other when all have been asked for, so that the
warehouse is opened once. A kill before that leaves them as they were.

A second run: fetches nothing for partitions that landed, and the others as if for the first time.
A reconciliation on demand fetches the segment's newest window again, in full, and replaces it.

What makes it stop: a mapped field that is not there stops the account; a segment above the limit,
empty, shrunken, or delivered wrong stops alone.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.emarsys.errors import EmarsysError
from emarsys_pipeline.settings import AccountSettings, ImportSettings
from emarsys_pipeline.stages.progress import Progress, no_progress
from emarsys_pipeline.stages.raw_segment_exports.catalogue import refresh_catalogue
from emarsys_pipeline.stages.raw_segment_exports.changes import fetch_changes, prepare_changes
from emarsys_pipeline.stages.raw_segment_exports.errors import (
    MiscountedError,
    PastWindowError,
    SegmentImportError,
    WrongDeliveryError,
)
from emarsys_pipeline.stages.raw_segment_exports.exports import ExportedFile
from emarsys_pipeline.stages.raw_segment_exports.full import import_in_full
from emarsys_pipeline.stages.raw_segment_exports.history import SegmentHistory, read_history
from emarsys_pipeline.stages.raw_segment_exports.landing import (
    Delivery,
    Prepared,
    SegmentImported,
    land_prepared,
    stored_imports,
)
from emarsys_pipeline.stages.raw_segment_exports.run import AccountRun, Tally
from emarsys_pipeline.stages.raw_segment_exports.scratch import Scratch, scratch_folder
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline.windows import Window

logger = logging.getLogger(__name__)

SEGMENTS_AT_ONCE = 3
"""Segments of one account that are imported together."""

Outcomes = dict[str, SegmentImported | Exception]
T = TypeVar("T")


def import_account(
    warehouse: Warehouse,
    client: EmarsysClient,
    account: AccountSettings,
    segment_ids: Sequence[str],
    window: Window,
    *,
    imports: ImportSettings,
    downloads: Path,
    run_id: str,
    in_full: bool = False,
    progress: Progress = no_progress,
    now: Clock = utc_now,
) -> Outcomes:
    """Import segments of one account in one window, each landing or failing on its own.

    Args:
        warehouse: where the rows go; open to others while Emarsys is being asked.
        client: a client of this account.
        account: connection aside, what to fetch.
        segment_ids: the segments, each once.
        window: the partition to land.
        imports: limits and tolerances.
        downloads: a folder for files with personal data; each is deleted when it is of no use any
            more, and all are when this ends.
        run_id: who did it.
        in_full: import every member, also of a window that has landed, which must be the newest.
        progress: told of long work, from several threads.
        now: the time in UTC.

    Returns:
        Per segment, in the order given, what landed, or the error that kept it from landing.
    """
    outcomes: Outcomes = {}
    if not in_full:
        with warehouse.read() as connection:
            outcomes.update(stored_imports(connection, account.name, segment_ids, window))
    missing = [segment_id for segment_id in segment_ids if segment_id not in outcomes]
    calls_before = client.calls
    if missing:
        try:
            run = AccountRun(
                warehouse=warehouse,
                client=client,
                account=account,
                window=window,
                imports=imports,
                in_full=in_full,
                downloads=downloads,
                run_id=run_id,
                progress=progress,
                now=now,
                plan=refresh_catalogue(warehouse, client, account, window),
            )
            outcomes.update(_import_missing(run, missing, calls_before))
        except (EmarsysError, SegmentImportError) as error:
            outcomes.update(dict.fromkeys(missing, error))
    return {segment_id: outcomes[segment_id] for segment_id in segment_ids}


def _import_missing(run: AccountRun, segment_ids: Sequence[str], calls_before: int) -> Outcomes:
    history = read_history(run.warehouse, run.account.name, segment_ids, run.window)
    name = f"{run.account.name}-{run.window.start:%Y%m%dT%H%M}-{run.run_id}"
    with scratch_folder(run.downloads, name) as folder:
        changes = _fetch_shared_changes(run, history, folder)
        shared_calls = run.client.calls - calls_before
        shared_bytes = changes.path.stat().st_size if isinstance(changes, ExportedFile) else 0
        with ThreadPoolExecutor(SEGMENTS_AT_ONCE, thread_name_prefix="segment") as pool:
            imported = pool.map(
                lambda segment_id: _attempt(
                    run,
                    segment_id,
                    partial(_import_segment, run, segment_id, history[segment_id], changes, folder),
                ),
                segment_ids,
            )
        outcomes = _land_prepared(run, dict(zip(segment_ids, imported, strict=True)))
    return {
        segment_id: dataclasses.replace(
            outcome, shared_api_calls=shared_calls, shared_bytes_downloaded=shared_bytes
        )
        if isinstance(outcome, SegmentImported)
        else outcome
        for segment_id, outcome in outcomes.items()
    }


def _fetch_shared_changes(
    run: AccountRun, history: Mapping[str, SegmentHistory], folder: Path
) -> ExportedFile | Exception | None:
    """The account's changes, when some segment needs them; an error is every such segment's."""
    since = [
        segment.last_requested_at
        for segment in history.values()
        if segment.last_requested_at is not None
        and not segment.is_superseded
        and not _is_full_due(run, segment)
    ]
    if not since or not run.plan.exported:
        return None
    try:
        return fetch_changes(run, min(since), folder)
    except (EmarsysError, SegmentImportError) as error:
        return error


def _attempt(run: AccountRun, segment_id: str, step: Callable[[], T]) -> T | Exception:
    """What the step gives, or its error: one segment must not keep the others from landing."""
    try:
        return step()
    except Exception as error:  # noqa: BLE001  # whatever it is
        logger.warning(
            "account %s: segment %s did not land in window %s: %s",
            *(run.account.name, segment_id, run.window.key, type(error).__name__),
        )
        return error


def _import_segment(
    run: AccountRun,
    segment_id: str,
    history: SegmentHistory,
    changes: ExportedFile | Exception | None,
    folder: Path,
) -> SegmentImported | Prepared:
    """Land a segment in full, or prepare the changes of one."""
    if history.is_superseded:
        return _prepare_superseded(run, segment_id)
    with scratch_folder(folder, segment_id) as segment_folder:
        scratch = Scratch(segment_folder)
        try:
            if _is_full_due(run, history) or changes is None:
                return import_in_full(run, segment_id, history, scratch)
            if isinstance(changes, Exception):
                raise changes
            try:
                prepared = prepare_changes(run, segment_id, history, scratch, changes)
            except (WrongDeliveryError, MiscountedError) as error:
                logger.warning(
                    "account %s: segment %s is imported in full instead, because %s",
                    *(run.account.name, segment_id, error.message),
                )
                return import_in_full(run, segment_id, history, scratch)
            return _moved(prepared, folder)
        finally:
            scratch.close()


def _moved(prepared: Prepared, folder: Path) -> Prepared:
    """The same with its rows in the account's folder: they outlive that of their segment."""
    rows = prepared.delivery.rows
    if rows is None:
        return prepared
    moved = rows.rename(folder / rows.name)
    return dataclasses.replace(
        prepared, delivery=dataclasses.replace(prepared.delivery, rows=moved)
    )


def _land_prepared(
    run: AccountRun, imported: Mapping[str, SegmentImported | Prepared | Exception]
) -> Outcomes:
    """Land what was prepared, each in its transaction; what else there is stays as it is."""
    with run.warehouse.kept_open():
        return {
            segment_id: _attempt(run, segment_id, partial(land_prepared, run, segment_id, each))
            if isinstance(each, Prepared)
            else each
            for segment_id, each in imported.items()
        }


def _is_full_due(run: AccountRun, history: SegmentHistory) -> bool:
    return run.in_full or history.is_full_due(run.window, run.imports.reconcile_every_days)


def _prepare_superseded(run: AccountRun, segment_id: str) -> Prepared:
    """A note that the window is past: Emarsys tells how things are, not how they were.

    Raises:
        PastWindowError: a full import was asked for, which would replace the rows by none.
    """
    if run.in_full:
        raise PastWindowError(
            f"segment {segment_id} of account {run.account.name} has landed in a window later than "
            f"{run.window.key}",
            "Reconcile its newest window: Emarsys shows only the present",
        )
    now = run.now()
    nothing = Delivery(
        mode="superseded",
        requested_at=now,
        rows=None,
        members=0,
        entered=0,
        departed=0,
        changed=0,
    )
    return Prepared(delivery=nothing, tally=Tally(now), ready_at=now)
