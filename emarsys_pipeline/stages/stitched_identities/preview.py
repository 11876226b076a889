"""What decisions or changed settings would do to identities, before anything is written.

Stitches the newest window twice in temporary tables, as it is and as it would be, and compares the
two: so what is shown follows from the proposal alone, and not from contacts that arrived since the
last run. Reads the analysts' copy, so it waits for nobody and cannot change anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities.identity_map import map_records
from emarsys_pipeline.stages.stitched_identities.ledger import (
    Decision,
    DecisionError,
    check_decision,
    insert_decisions,
)
from emarsys_pipeline.stages.stitched_identities.temporary import drop_temporary
from emarsys_pipeline.warehouse import Warehouse, load_sql

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Records that would move from one identity to another.

    ``event`` is merge when the identity they leave would end, else split.
    """

    event: str
    identity_id: str
    other_identity_id: str
    records: int
    size_before: int
    size_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Identities in numbers; ``by_size`` is the number of identities by their records."""

    identities: int
    largest: int
    quarantined: int
    by_size: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a proposal would do. ``changes`` are the largest first, at most some of them."""

    before: Sizes
    after: Sizes
    merges: int
    splits: int
    moved_records: int
    changes: list[Change]


def preview_identities(
    warehouse: Warehouse,
    *,
    stitching: StitchingSettings,
    proposed_stitching: StitchingSettings | None = None,
    decisions: Sequence[Decision] = (),
) -> Preview:
    """Show what decisions, other settings, or both together would do.

    Args:
        warehouse: its published copy is read.
        stitching: the settings that hold.
        proposed_stitching: the settings to try; None for those that hold.
        decisions: to try, on top of the ledger.

    Raises:
        DecisionError: nothing has been stitched yet, or a decision could not be obeyed.
    """
    with warehouse.read_published() as connection:
        ((window_start,),) = connection.execute(
            "select max(window_start) from identity_stitches"
        ).fetchall()
        if window_start is None:
            raise DecisionError("nothing has been stitched yet: import a segment first")
        for decision in decisions:
            check_decision(connection, decision)
        before = _map(connection, window_start, stitching, "before")
        drop_temporary(connection)
        connection.execute(
            "create or replace temp table proposed_decisions as from identity_decisions limit 0"
        )
        insert_decisions(
            connection,
            "proposed_decisions",
            list(decisions),
            window_start=window_start,
            decided_at=utc_now(),
        )
        after = _map(connection, window_start, proposed_stitching or stitching, "after")
        rows = connection.execute(load_sql(__package__, "preview.sql")).fetchall()
    changes = [Change(**dict(zip(Change.__slots__, row, strict=True))) for row in rows]
    return Preview(
        before=before,
        after=after,
        merges=sum(change.event == "merge" for change in changes),
        splits=sum(change.event == "split" for change in changes),
        moved_records=sum(change.records for change in changes),
        changes=changes[:MOST_SHOWN],
    )


def _map(
    connection: duckdb.DuckDBPyConnection,
    window_start: datetime,
    stitching: StitchingSettings,
    name: str,
) -> Sizes:
    """Stitch into the temporary table ``identities_{name}``: source, account, ..., identity_id."""
    map_records(connection, window_start, stitching)
    connection.execute(
        " ".join(
            [
                f"create or replace temp table identities_{name} as",
                "select source, account, contact_id, identity_id from identity_map",
            ]
        )
    )
    sizes = connection.execute(
        "select records, count(*) from (select count(*) as records from identity_map"
        " group by identity_id) group by records order by records"
    ).fetchall()
    ((quarantined,),) = connection.execute(
        "select count(*) from shared_identities where stands_for_several"
    ).fetchall()
    return Sizes(
        identities=sum(identities for _, identities in sizes),
        largest=max((records for records, _ in sizes), default=0),
        quarantined=quarantined,
        by_size=dict(sizes),
    )
