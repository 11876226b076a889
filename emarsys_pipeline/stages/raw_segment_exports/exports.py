"""Running one export, with its intent on record before Emarsys is asked.

A run that is killed between the request and the note of its id leaves an intent without an id:
the next run reports the orphan and notes it as abandoned. If that export is still being made,
Emarsys refuses an equal one with reply code 4001, and we wait until it is through.
"""

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from emarsys_pipeline.emarsys import errors
from emarsys_pipeline.stages.raw_segment_exports.run import AccountRun, Tally
from emarsys_pipeline.warehouse import load_sql
from emarsys_pipeline.windows import KEY_FORMAT

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """A complete CSV file on disk.

    Attributes:
        requested_at: just before the export was asked for.
        header: the labels of the columns, ``user_id`` included where there is one.
    """

    export_id: str
    requested_at: datetime
    path: Path
    header: tuple[str, ...]
    has_user_id: bool


def export_segment(
    run: AccountRun, tally: Tally, segment_id: str, folder: Path, *, marker: str | None = None
) -> ExportedFile:
    """Export a segment's contacts, in full.

    Raises:
        EmarsysError: the export could not be started, made or downloaded.
    """

    def start() -> str:
        return run.client.start_segment_export(
            segment_id,
            run.plan.exported_ids,
            language=run.account.language,
            notification_marker=marker,
        )

    return _run_export(run, tally, "segment", segment_id, start, folder)


def export_changes(
    run: AccountRun, tally: Tally, folder: Path, *, since: date, until: date
) -> ExportedFile:
    """Export the account's contacts that changed, over whole days in Vienna.

    Raises:
        EmarsysError: the export could not be started, made or downloaded.
    """

    def start() -> str:
        return run.client.start_changes_export(
            run.plan.exported_ids, since=since, until=until, language=run.account.language
        )

    return _run_export(run, tally, "changes", None, start, folder)


def _run_export(
    run: AccountRun,
    tally: Tally,
    kind: str,
    segment_id: str | None,
    start: Callable[[], str],
    folder: Path,
) -> ExportedFile:
    requested_at = run.now()
    intent_id = _record_intent(run, kind, segment_id, requested_at)
    try:
        export_id = _start_or_wait(run, tally, start)
    except errors.EmarsysError as error:
        # Without an answer it may have been started: the intent stays open for the next run.
        if not error.is_outcome_unknown:
            _update_intent(run, intent_id, "failed")
        raise
    try:
        _update_intent(run, intent_id, "started", export_id=export_id)
        run.client.wait_for_export(
            export_id,
            poll_seconds=run.imports.export_poll_seconds,
            deadline_seconds=run.imports.export_deadline_seconds,
            on_wait=lambda _: tally.note(api_calls=1),
        )
        path = folder / f"{kind}-{segment_id or run.account.name}.csv"
        downloaded = run.client.download_export(export_id, path)
    except errors.EmarsysError:
        _update_intent(run, intent_id, "failed")
        raise
    # One call to start, the one that found it done, one to download; the others were noted.
    tally.note(api_calls=3, bytes_downloaded=downloaded.bytes)
    tally.note_exports([export_id])
    _update_intent(run, intent_id, "downloaded")
    logger.info(
        "account %s: export %s of %s gave %d rows in %d bytes",
        *(run.account.name, export_id, segment_id or "changes", downloaded.rows),
        downloaded.bytes,
    )
    return ExportedFile(
        export_id=export_id,
        requested_at=requested_at,
        path=downloaded.path,
        header=tuple(downloaded.header),
        has_user_id=downloaded.has_user_id,
    )


def _start_or_wait(run: AccountRun, tally: Tally, start: Callable[[], str]) -> str:
    deadline = time.monotonic() + run.imports.export_deadline_seconds
    while True:
        try:
            return start()
        except errors.ExportAlreadyRunningError:
            tally.note(api_calls=1)
            if time.monotonic() > deadline:
                raise
            logger.info("account %s: an equal export is running, waiting", run.account.name)
            time.sleep(run.imports.export_poll_seconds)


def _record_intent(
    run: AccountRun, kind: str, segment_id: str | None, intended_at: datetime
) -> str:
    """Note that an export will be asked for; what an earlier run left open is abandoned."""
    name = "|".join(
        [
            run.run_id,
            run.account.name,
            run.window.key,
            kind,
            segment_id or "",
            intended_at.isoformat(),
        ]
    )
    intent_id = hashlib.sha256(name.encode()).hexdigest()[:32]
    partition = {
        "account": run.account.name,
        "window_start": run.window.start,
        "kind": kind,
        "segment_id": segment_id,
    }
    patience = timedelta(seconds=2 * run.imports.export_deadline_seconds)
    open_before = {**partition, "given_up_before": intended_at - patience}
    with run.warehouse.write() as connection:
        orphans = connection.execute(
            load_sql(__package__, "open_intents.sql"), open_before
        ).fetchall()
        connection.execute(
            load_sql(__package__, "abandon_intents.sql"),
            {**open_before, "finished_at": intended_at},
        )
        connection.execute(
            load_sql(__package__, "record_intent.sql"),
            {
                **partition,
                "intent_id": intent_id,
                "intended_at": intended_at,
                "run_id": run.run_id,
            },
        )
    for window_start, asked_at, export_id in orphans:
        logger.warning(
            "account %s: an export of %s, asked for at %s in window %s, was left open by an "
            "earlier run (export id %s); it is not used, and one replacement is started",
            *(run.account.name, segment_id or "changes", f"{asked_at:%Y-%m-%d %H:%M:%SZ}"),
            *(f"{window_start:{KEY_FORMAT}}", export_id or "not known"),
        )
    return intent_id


def _update_intent(
    run: AccountRun, intent_id: str, state: str, *, export_id: str | None = None
) -> None:
    with run.warehouse.write() as connection:
        connection.execute(
            load_sql(__package__, "update_intent.sql"),
            {
                "account": run.account.name,
                "window_start": run.window.start,
                "intent_id": intent_id,
                "state": state,
                "export_id": export_id,
                "at": run.now(),
            },
        )
