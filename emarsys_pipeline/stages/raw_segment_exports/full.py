"""Importing a segment in full: every member with its values, from one export.

An export says what its contacts' values are, but not always whose: Emarsys leaves the contact id
out of some segment exports. Then each row is matched by the values of the identifying fields,
where these belong to one contact and one row only; every contact that stays unmatched is read on
its own by getdata.
"""

from emarsys_pipeline.stages.raw_segment_exports.errors import WrongDeliveryError
from emarsys_pipeline.stages.raw_segment_exports.exports import ExportedFile, export_segment
from emarsys_pipeline.stages.raw_segment_exports.finishing import finish, is_landed_from_file
from emarsys_pipeline.stages.raw_segment_exports.history import SegmentHistory
from emarsys_pipeline.stages.raw_segment_exports.landing import SegmentImported, land
from emarsys_pipeline.stages.raw_segment_exports.looked_up import look_up_and_compare
from emarsys_pipeline.stages.raw_segment_exports.members import (
    count_members,
    fetch_contacts,
    load_members,
    refuse_too_many,
)
from emarsys_pipeline.stages.raw_segment_exports.plausibility import (
    refuse_miscounted,
    refuse_shrunken,
)
from emarsys_pipeline.stages.raw_segment_exports.run import AccountRun, Tally
from emarsys_pipeline.stages.raw_segment_exports.scratch import USER_ID, Scratch
from emarsys_pipeline.warehouse import quote
from emarsys_pipeline.warehouse.columns import raw_field_column


def import_in_full(
    run: AccountRun, segment_id: str, history: SegmentHistory, scratch: Scratch
) -> SegmentImported:
    """Fetch and land all contacts of a segment.

    Raises:
        SegmentImportError: the segment is too large, suspiciously small, or was delivered wrong.
        EmarsysError: Emarsys did not deliver.
    """
    tally = Tally(run.now())
    counted = count_members(run, tally, segment_id)
    if counted is not None:
        refuse_too_many(run, segment_id, counted)
    requested_at = run.now()
    members = load_members(run, tally, scratch, segment_id)
    refuse_miscounted(run, tally, segment_id, members, counted)
    scratch.load_previous(run, segment_id, history)
    scratch.load_replaced(run, segment_id)
    refuse_shrunken(run, segment_id, members, scratch.count("previous"))
    exported = None
    if run.plan.exported:
        exported = export_segment(run, tally, segment_id, scratch.folder)
        _load_labelled(run, tally, scratch, segment_id, exported, members)
    else:
        _label_nothing(scratch)
    scratch.run("members_to_fetch.sql")
    fetched_at = run.now()
    fetch_contacts(run, tally, scratch, "fetched", scratch.ids("to_fetch"), run.plan.field_ids)
    delivery = finish(
        run,
        scratch,
        segment_id,
        mode="full",
        requested_at=requested_at,
        exported=exported,
        fetched_at=fetched_at,
    )
    refuse_miscounted(run, tally, segment_id, delivery.members, members)
    return land(run, segment_id, delivery, tally)


def _load_labelled(
    run: AccountRun,
    tally: Tally,
    scratch: Scratch,
    segment_id: str,
    exported: ExportedFile,
    members: int,
) -> None:
    """Make the tables ``labelled`` (rows of the export by contact) and ``looked_up``.

    Where the rows can be stored as they are in the file, only their contact ids are loaded.
    """
    as_they_are = is_landed_from_file(run, exported)
    load = scratch.load_contact_ids if as_they_are else scratch.load_export
    delivered = load("delivered", exported, run.plan.exported)
    refuse_miscounted(run, tally, segment_id, delivered, members)
    if exported.has_user_id:
        _refuse_wrong_ids(scratch, exported)
        scratch.run("labelled_by_user_id.sql")
        look_up_and_compare(run, tally, scratch, segment_id, exported)
        return
    field_ids = (*run.plan.identifying_ids, *run.plan.looked_up_ids)
    fetch_contacts(run, tally, scratch, "looked_up", scratch.ids("members"), field_ids)
    columns = [quote(raw_field_column(field_id)) for field_id in run.plan.identifying_ids]
    scratch.run(
        "labelled_by_values.sql",
        key=", ".join(columns),
    )


def _label_nothing(scratch: Scratch) -> None:
    scratch.put_ids("labelled", [])


def _refuse_wrong_ids(scratch: Scratch, exported: ExportedFile) -> None:
    wrong = scratch.connection.execute(
        f"from delivered select count(*) - count(distinct {USER_ID}),"
        f" count(*) filter (where not coalesce(regexp_full_match({USER_ID}, '[0-9]+'), false))"
    ).fetchall()[0]
    if any(wrong):
        raise WrongDeliveryError(
            f"export {exported.export_id} has {wrong[1]} row(s) without a contact id and "
            f"{wrong[0]} more than contacts",
            "Run the import again; if it stays, show the file to Emarsys support",
        )
