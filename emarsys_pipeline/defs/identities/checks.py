"""What readers of the identities rely on."""

from collections.abc import Iterator, Sequence

import dagster as dg

from emarsys_pipeline.defs.partitions import SEGMENTS_NAME, multi_key, segment_key
from emarsys_pipeline.defs.summaries import named
from emarsys_pipeline.settings import Settings, StitchingSettings
from emarsys_pipeline.stages.stitched_identities import IdentitiesStitched
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.windows import Window

ASSET = "stitched_identities"
EVERY_SEGMENT_LANDED = "every_segment_landed"
ONE_IDENTITY = "one_identity_per_contact"
WITHIN_CAP = "largest_identity_within_cap"
MERGES_AS_USUAL = "merges_as_usual"
NOTHING_MISSED = "nothing_missed"


def identity_check_specs() -> list[dg.AssetCheckSpec]:
    """The checks that stitching evaluates itself."""
    return [
        dg.AssetCheckSpec(
            EVERY_SEGMENT_LANDED,
            asset=ASSET,
            description=(
                "Every segment had landed when its window was stitched. Fails when one is missing "
                "and names it: re-run its partition, and the window is stitched again by itself."
            ),
        ),
        dg.AssetCheckSpec(
            ONE_IDENTITY,
            asset=ASSET,
            blocking=True,
            description=(
                "A contact belongs to one identity only. Fails if stitching went wrong; opt-in "
                "deltas wait, since consent could reach the wrong person."
            ),
        ),
        dg.AssetCheckSpec(
            WITHIN_CAP,
            asset=ASSET,
            description=(
                "No identity has more contacts than stitching.max_contacts_per_identity. Fails "
                "if different people may have been merged: look at the largest identities. Only "
                "decisions (join, release) make an identity larger."
            ),
        ),
        dg.AssetCheckSpec(
            MERGES_AS_USUAL,
            asset=ASSET,
            description=(
                "The window merged not many more identities than earlier ones, as "
                "stitching.unusual_merges_factor and unusual_merges_minimum say. Fails if a shared "
                "value may have come in: look at the most shared identifiers and the merges."
            ),
        ),
        dg.AssetCheckSpec(
            NOTHING_MISSED,
            asset=ASSET,
            description=(
                "Linking all contacts, which is done every stitching.full_every_days days, changed "
                "nothing that linking the touched ones had missed. Fails if it did; then "
                "everything has been put right, and stitching.mode: full keeps it so."
            ),
        ),
    ]


def identity_checks(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    settings: Settings,
    windows: Sequence[Window],
    results: Sequence[IdentitiesStitched],
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks for the windows that a run stitched."""
    segments = context.instance.get_dynamic_partitions(SEGMENTS_NAME)
    with warehouse.read() as connection:
        landed = connection.execute(
            load_sql(__package__, "landed_partitions.sql"),
            {"window_starts": [window.start for window in windows]},
        ).fetchall()
        ((repeated,),) = connection.execute(
            load_sql(__package__, "contacts_with_several_identities.sql")
        ).fetchall()
    present = {(segment_key(account, segment), start) for account, segment, start in landed}
    missing = [
        multi_key(segment, window.key)
        for window in windows
        for segment in sorted(segments)
        if (segment, window.start) not in present
    ]
    yield dg.AssetCheckResult(
        check_name=EVERY_SEGMENT_LANDED,
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"Stitched without {named(missing)}. Re-run these partitions of raw_segment_exports "
            "and mapped_contacts; they are taken in when they land."
            if missing
            else f"All {len(segments)} segments had landed."
        ),
        metadata={"windows": [window.key for window in windows], "missing": missing},
    )
    yield dg.AssetCheckResult(
        check_name=ONE_IDENTITY,
        passed=repeated == 0,
        metadata={"contacts_with_several_identities": repeated},
    )
    largest = max((result.largest for result in results), default=0)
    cap = settings.stitching.max_contacts_per_identity
    yield dg.AssetCheckResult(
        check_name=WITHIN_CAP,
        passed=largest <= cap,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "windows": [window.key for window in windows],
            "largest": largest,
            "max_contacts_per_identity": cap,
        },
    )
    yield merges_as_usual(warehouse, settings.stitching, windows)
    yield nothing_missed(windows, results)


def nothing_missed(
    windows: Sequence[Window], results: Sequence[IdentitiesStitched]
) -> dg.AssetCheckResult:
    """Whether the windows that linked all contacts found what the others should have."""
    missed = {
        window.key: result.missed
        for window, result in zip(windows, results, strict=True)
        if result.missed is not None
    }
    total = sum(missed.values())
    if total:
        description = (
            f"{total:,} contacts had another identity than linking all contacts gives. They have "
            "been put right, and all persons were derived anew. Set stitching.mode to full, and "
            "report it: this is an error of emarsys_pipeline."
        )
    elif missed:
        description = "All contacts were linked, and nothing had been missed."
    else:
        description = "It was no window's turn to link all contacts."
    return dg.AssetCheckResult(
        check_name=NOTHING_MISSED,
        passed=not total,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata={"windows": sorted(missed), "missed": total},
    )


def merges_as_usual(
    warehouse: Warehouse, stitching: StitchingSettings, windows: Sequence[Window]
) -> dg.AssetCheckResult:
    """Whether these windows merged about as many identities as those before each of them."""
    factor = stitching.unusual_merges_factor
    minimum = stitching.unusual_merges_minimum
    compared: dict[str, tuple[int, float]] = {}
    with warehouse.read() as connection:
        for window in windows:
            ((merges, usual),) = connection.execute(
                load_sql(__package__, "usual_merges.sql"), {"window_start": window.start}
            ).fetchall()
            if merges is not None and usual is not None:
                compared[window.key] = (merges, usual)
    unusual = {
        key: counts
        for key, counts in compared.items()
        if counts[0] > max(minimum, factor * counts[1])
    }
    return dg.AssetCheckResult(
        check_name=MERGES_AS_USUAL,
        passed=not unusual,
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            "; ".join(
                f"{key} merged {merges:,} identities, earlier windows {usual:,.1f} on average"
                for key, (merges, usual) in unusual.items()
            )
            or ("No more merges than usual." if compared else "No earlier window to compare with.")
        ),
        metadata={
            "windows": [window.key for window in windows],
            "merges": sum(merges for merges, _ in compared.values()),
            "usual_merges": max((usual for _, usual in compared.values()), default=0.0),
            "unusual_merges_factor": factor,
            "unusual_merges_minimum": minimum,
        },
    )
