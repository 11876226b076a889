"""Stops a delivery that is complete in form but cannot be right in size.

An empty answer read as "everyone left" would withdraw nothing at once, but it would empty the
contact store; a short one would do so in part.
"""

from emarsys_pipeline.stages.raw_segment_exports.errors import (
    MiscountedError,
    SuspiciousDeliveryError,
)
from emarsys_pipeline.stages.raw_segment_exports.members import count_members
from emarsys_pipeline.stages.raw_segment_exports.run import AccountRun, Tally


def refuse_shrunken(run: AccountRun, segment_id: str, members: int, previous: int) -> None:
    """Stop when a segment is empty or has lost most of its contacts.

    Raises:
        SuspiciousDeliveryError: it has; a tolerance of 0 lets everything pass.
    """
    tolerance = run.imports.shrink_tolerance
    if tolerance == 0 or (members > 0 and members >= tolerance * previous):
        return
    raise SuspiciousDeliveryError(
        f"segment {segment_id} of account {run.account.name} has {members:,} contacts, after "
        f"{previous:,} in the last import; below {tolerance:.0%} it is not taken for real",
        "Look at the segment in Emarsys; if it is right, set imports.shrink_tolerance lower for "
        "one run, or remove the segment from the settings",
    )


def refuse_miscounted(
    run: AccountRun, tally: Tally, segment_id: str, delivered: int, before: int | None
) -> None:
    """Stop when more or fewer contacts came than the segment had just before and just after.

    The count after is only asked for when the one before does not explain the delivery.

    Args:
        run: the account's import.
        tally: counts the calls.
        segment_id: the segment.
        delivered: the contacts that came.
        before: Emarsys's count just before; None, without the permission to count, checks nothing.

    Raises:
        MiscountedError: neither count explains the delivery.
    """
    if before is None or _is_between(run, delivered, before, before):
        return
    after = count_members(run, tally, segment_id)
    if after is not None and _is_between(run, delivered, before, after):
        return
    raise MiscountedError(
        f"segment {segment_id} of account {run.account.name} delivered {delivered:,} contacts, "
        f"but had {before:,} just before" + ("" if after is None else f" and {after:,} just after"),
        f"Run the import again; more than {run.imports.count_tolerance:.1%} of difference "
        "(imports.count_tolerance) is not taken for contacts that moved meanwhile",
    )


def _is_between(run: AccountRun, delivered: int, one: int, other: int) -> bool:
    low, high = sorted((one, other))
    slack = int(run.imports.count_tolerance * high)
    return low - slack <= delivered <= high + slack
