"""Importing what happened to a segment since its last import.

Who entered and who left is the difference of two member lists. What changed comes from one export
of the account's changed contacts, which all its segments share. Contacts that entered are read
whole by getdata, since they may have changed long ago.
"""

import logging
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from emarsys_pipeline.emarsys.errors import PermissionMissingError
from emarsys_pipeline.stages.raw_segment_exports.exports import ExportedFile, export_changes
from emarsys_pipeline.stages.raw_segment_exports.finishing import finish
from emarsys_pipeline.stages.raw_segment_exports.history import SegmentHistory
from emarsys_pipeline.stages.raw_segment_exports.landing import Prepared
from emarsys_pipeline.stages.raw_segment_exports.looked_up import look_up_and_compare
from emarsys_pipeline.stages.raw_segment_exports.members import (
    count_members,
    fetch_contacts,
    load_members,
)
from emarsys_pipeline.stages.raw_segment_exports.plausibility import (
    refuse_miscounted,
    refuse_shrunken,
)
from emarsys_pipeline.stages.raw_segment_exports.run import AccountRun, Tally
from emarsys_pipeline.stages.raw_segment_exports.scratch import Scratch

logger = logging.getLogger(__name__)

EMARSYS_ZONE = ZoneInfo("Europe/Vienna")
"""The zone of the days in a changes export; the API documentation names no other."""


def fetch_changes(
    run: AccountRun, last_requested_at: datetime, folder: Path
) -> ExportedFile | None:
    """Export the account's changes since one day before a moment, until tomorrow.

    The days overlap because it is not documented whether the last one belongs to the range.

    Returns:
        None when the account's credential may not export changes, or the file names no contacts:
        then only full imports are left.

    Raises:
        EmarsysError: the export failed for another reason.
    """
    since = last_requested_at.astimezone(EMARSYS_ZONE).date() - timedelta(days=1)
    until = run.now().astimezone(EMARSYS_ZONE).date() + timedelta(days=1)
    try:
        changes = export_changes(run, Tally(run.now()), folder, since=since, until=until)
    except PermissionMissingError:
        logger.warning(
            "account %s may not export changes (export.contact.changed): importing in full",
            run.account.name,
        )
        return None
    if not changes.has_user_id:
        logger.warning(
            "account %s: export %s of changes names no contacts: importing in full",
            *(run.account.name, changes.export_id),
        )
        return None
    return changes


def prepare_changes(
    run: AccountRun,
    segment_id: str,
    history: SegmentHistory,
    scratch: Scratch,
    changes: ExportedFile,
) -> Prepared:
    """Find who entered, who left and whose values changed; nothing is landed yet.

    The rows are in the scratch's folder.

    Raises:
        SegmentImportError: the segment is too large, suspiciously small, or was delivered wrong.
        EmarsysError: Emarsys did not deliver.
    """
    tally = Tally(run.now())
    tally.note_exports([changes.export_id])
    counted = count_members(run, tally, segment_id)
    requested_at = run.now()
    members = load_members(run, tally, scratch, segment_id)
    refuse_miscounted(run, tally, segment_id, members, counted)
    scratch.load_previous(run, segment_id, history)
    scratch.load_replaced(run, segment_id)
    refuse_shrunken(run, segment_id, members, scratch.count("previous"))
    scratch.load_export("delivered", changes, run.plan.exported)
    scratch.run("changes_of_members.sql")
    look_up_and_compare(run, tally, scratch, segment_id, changes)
    scratch.run("changes_to_fetch.sql")
    fetched_at = run.now()
    fetch_contacts(run, tally, scratch, "fetched", scratch.ids("to_fetch"), run.plan.field_ids)
    delivery = finish(
        run,
        scratch,
        segment_id,
        mode="changes",
        requested_at=requested_at,
        exported=changes,
        fetched_at=fetched_at,
    )
    refuse_miscounted(run, tally, segment_id, delivery.members, members)
    return Prepared(delivery=delivery, tally=tally, ready_at=run.now())
