"""Whether a stitch may build on the one before it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources

import duckdb

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.warehouse import load_sql


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

    The mode is none of it, as both give the same.

    Reads active_decisions.
    """
    curated = resources.files(__package__).joinpath("blocked_identifiers.csv").read_bytes()
    decisions = connection.execute(
        "select decision_id from active_decisions order by decision_id"
    ).fetchall()
    parts = (
        stitching.model_dump_json(exclude={"mode"}),
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
