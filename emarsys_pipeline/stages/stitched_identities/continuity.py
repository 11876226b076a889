"""Whether a stitch may build on the one before it, and what it has to link."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources

import duckdb

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.warehouse import load_sql

logger = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousStitch:
    """The newest stitch.

    ``records`` is how many there were. ``has_same_guards``: under the guards of today.
    ``is_unchanged``: that, and what it was made from is still what the tables hold for its window
    and those before.
    """

    window_start: datetime
    records: int
    has_same_guards: bool
    is_unchanged: bool


def previous_stitch(connection: duckdb.DuckDBPyConnection, guards: str) -> PreviousStitch | None:
    """The newest stitch; None before the first."""
    rows = connection.execute(
        "select window_start, records, guards, inputs from identity_stitches"
        " order by window_start desc limit 1"
    ).fetchall()
    for window_start, records, stored_guards, stored_inputs in rows:
        has_same_guards = stored_guards == guards
        return PreviousStitch(
            window_start=window_start,
            records=records,
            has_same_guards=has_same_guards,
            is_unchanged=has_same_guards and stored_inputs == inputs_of(connection, window_start),
        )
    return None


def guards_of(
    connection: duckdb.DuckDBPyConnection,
    stitching: StitchingSettings,
    property_types: Mapping[str, str],
) -> str:
    """A digest of everything beside the rows that identities and golden records depend on.

    The mode and how often all is linked are none of it, as both modes give the same.

    Reads active_decisions.
    """
    curated = resources.files(__package__).joinpath("blocked_identifiers.csv").read_bytes()
    decisions = connection.execute(
        "select decision_id from active_decisions order by decision_id"
    ).fetchall()
    parts = (
        stitching.model_dump_json(exclude={"mode", "full_every_days"}),
        sorted(property_types.items()),
        curated,
        decisions,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def inputs_of(connection: duckdb.DuckDBPyConnection, window_start: datetime) -> str:
    """A text that differs when rows up to a window were added, replaced or removed."""
    ((inputs,),) = connection.execute(
        load_sql(__package__, "inputs.sql"), {"window_start": window_start}
    ).fetchall()
    return str(inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchPlan:
    """How a window is stitched.

    Attributes:
        after: the window that it is built on; None before the first.
        is_refresh: what is stored of that window still holds, so only what differs is written.
        touched_only: only the records are linked anew that the window touches.
        is_verified: all are, to see whether linking the touched ones would miss any.
    """

    after: datetime | None
    is_refresh: bool
    touched_only: bool
    is_verified: bool


def plan_stitch(
    stitching: StitchingSettings,
    window_start: datetime,
    previous: PreviousStitch | None,
    *,
    is_rewound: bool,
) -> StitchPlan:
    """Decide how to stitch a window; log why when all records are linked, which takes longer.

    Args:
        stitching: the mode, and how often all are linked to verify it.
        window_start: the window.
        previous: the stitch before it.
        is_rewound: the present state belongs to another window than that one.
    """
    after = None if previous is None else previous.window_start
    is_refresh = (
        previous is not None and previous.records > 0 and previous.is_unchanged and not is_rewound
    )
    touched_only = is_verified = False
    why = "stitching.mode is full"
    if after is None or not is_refresh:
        why = (
            "nothing was stitched before, or settings, decisions or rows of earlier windows "
            "changed since, or the window had been stitched"
        )
    elif stitching.mode == "incremental":
        is_verified = _begins_span(window_start, after, stitching.full_every_days)
        touched_only = not is_verified
        why = f"this is done every {stitching.full_every_days} days, to see that nothing was missed"
    if not touched_only:
        logger.info("linking all contacts: %s", why)
    return StitchPlan(
        after=after, is_refresh=is_refresh, touched_only=touched_only, is_verified=is_verified
    )


def _begins_span(window_start: datetime, previous_start: datetime, days: int) -> bool:
    """Whether a new span of so many days has begun since, counted from 1970; never for 0."""
    if not days:
        return False
    span = timedelta(days=days)
    return (window_start - _EPOCH) // span > (previous_start - _EPOCH) // span
