"""Fields that do not come with an export: read by getdata, and compared where both have a value.

Emarsys exports at most 20 fields, and no lists. The others are read by contact id. Fields that tell
contacts apart are read again with them: where they differ, the contact has changed between the two
answers, or a row of the export belongs to somebody else. Such contacts are read whole by getdata;
more of them than can have changed meanwhile stop the import.
"""

import logging

from emarsys_pipeline.stages.raw_segment_exports.errors import WrongDeliveryError
from emarsys_pipeline.stages.raw_segment_exports.exports import ExportedFile
from emarsys_pipeline.stages.raw_segment_exports.members import fetch_contacts
from emarsys_pipeline.stages.raw_segment_exports.run import AccountRun, Tally
from emarsys_pipeline.stages.raw_segment_exports.scratch import Scratch
from emarsys_pipeline.warehouse import quote
from emarsys_pipeline.warehouse.columns import raw_field_column

logger = logging.getLogger(__name__)

FEW_CONTACTS = 20
"""So many may differ in a small segment, of which a share would be less than one contact."""


def look_up_and_compare(
    run: AccountRun, tally: Tally, scratch: Scratch, segment_id: str, exported: ExportedFile
) -> None:
    """Make the table ``looked_up`` for the contacts in ``labelled``; those that differ leave it.

    Raises:
        WrongDeliveryError: more contacts differ than can have changed meanwhile.
    """
    if not run.plan.looked_up:
        return
    shared = [quote(raw_field_column(field_id)) for field_id in run.plan.identifying_ids]
    field_ids = (*run.plan.identifying_ids, *run.plan.looked_up_ids)
    fetch_contacts(run, tally, scratch, "looked_up", scratch.ids("labelled"), field_ids)
    compared = scratch.count("looked_up")
    scratch.run(
        "differing.sql",
        differs=" or ".join(
            # Blanks and case are no reason to think that a row is somebody else's.
            f"lower(trim(labelled.{column})) is distinct from lower(trim(looked_up.{column}))"
            for column in shared
        )
        or "false",
    )
    differing = scratch.count("differing")
    limit = max(FEW_CONTACTS, int(run.imports.count_tolerance * compared))
    if differing > limit:
        names = ", ".join(f"{field.name} ({field.field_id})" for field in run.plan.identifying)
        raise WrongDeliveryError(
            f"export {exported.export_id} and getdata disagree on {names} for {differing:,} of "
            f"{compared:,} contacts of segment {segment_id}, and at most {limit:,} can have "
            "changed meanwhile",
            "Run the import again; if it stays, show the file to Emarsys support",
        )
    if differing:
        logger.info(
            "account %s: segment %s: %d contacts changed while they were read, and are read again",
            *(run.account.name, segment_id, differing),
        )
        scratch.connection.execute(
            "delete from labelled where contact_id in (select contact_id from differing)"
        )
