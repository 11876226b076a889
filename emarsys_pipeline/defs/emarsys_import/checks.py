"""What readers of the imported and mapped rows rely on."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from emarsys_pipeline.defs.automation import newest_window_check_condition
from emarsys_pipeline.defs.emarsys_import.landing import Landing
from emarsys_pipeline.defs.partitions import SEGMENTS_NAME, Partitions, segment_key
from emarsys_pipeline.defs.resources import WarehouseResource
from emarsys_pipeline.defs.summaries import named
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.mapped_contacts import ContactsMapped
from emarsys_pipeline.warehouse import Warehouse, load_sql, quote

MAPPED = "mapped_contacts"
ROWS_ACCOUNTED = "rows_accounted_for"
UNIQUE_CONTACTS = "one_row_per_contact"
IDENTIFIERS_FILLED = "identifiers_filled"


def import_check_specs() -> list[dg.AssetCheckSpec]:
    """The checks that the import's step evaluates itself."""
    return [
        dg.AssetCheckSpec(
            ROWS_ACCOUNTED,
            asset=MAPPED,
            blocking=True,
            description=(
                "Every raw row that was read is new, changed, left or unchanged. Fails if mapping "
                "lost or multiplied rows; stitching waits, since it would spread the damage."
            ),
        ),
        dg.AssetCheckSpec(
            UNIQUE_CONTACTS,
            asset=MAPPED,
            blocking=True,
            description=(
                "A contact has at most one row per segment and window. Fails if a partition was "
                "written twice; stitching waits."
            ),
        ),
        dg.AssetCheckSpec(
            IDENTIFIERS_FILLED,
            asset=MAPPED,
            description=(
                "No property that identifies people is empty for all contacts of an account. "
                "Fails if the mapping points at the wrong field: those contacts link to nobody."
            ),
        ),
    ]


def import_checks(
    warehouse: Warehouse, settings: Settings, landing: Landing
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks over what a run landed; a run that landed nothing broke nothing."""
    lost = [each.key for each, mapped in landing.mapped.items() if not _is_accounted(mapped)]
    yield dg.AssetCheckResult(
        asset_key=MAPPED,
        check_name=ROWS_ACCOUNTED,
        passed=not lost,
        metadata={
            "partitions": len(landing.mapped),
            "rows_read": sum(mapped.read for mapped in landing.mapped.values()),
            "partitions_with_a_difference": lost,
        },
    )
    starts = sorted({each.window.start for each in landing.mapped})
    with warehouse.read() as connection:
        repeated = connection.execute(
            load_sql(__package__, "repeated_contacts.sql"), {"window_starts": starts}
        ).fetchall()
    yield dg.AssetCheckResult(
        asset_key=MAPPED,
        check_name=UNIQUE_CONTACTS,
        passed=not repeated,
        metadata={
            "contacts_with_several_rows": sum(contacts for _, _, contacts in repeated),
            "segments": [segment_key(account, segment) for account, segment, _ in repeated],
        },
    )
    yield _identifiers_filled(warehouse, settings, {each.account for each in landing.mapped})


def build_newest_window_check(
    partitions: Partitions, *, delay_minutes: int
) -> dg.AssetChecksDefinition:
    """The check that the schedule's last window is there, run by itself once per window.

    Freshness of the asset would not do: importing any old window makes an asset fresh.
    """
    length = partitions.grid.length_minutes
    # Late enough for the import to end, early enough to notice before the next window.
    minutes_after = min(59, delay_minutes + max(1, (length - delay_minutes) // 2))

    @dg.asset_check(
        asset="raw_segment_exports",
        name="newest_window_landed",
        description=(
            "Every configured segment has landed in the newest window that has ended. Fails when "
            "the schedule did not run or an import failed: re-run the partitions it names."
        ),
        automation_condition=newest_window_check_condition(partitions.grid.cron(minutes_after)),
    )
    def newest_window_landed(
        context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
    ) -> dg.AssetCheckResult:
        window = partitions.grid.newest_closed(datetime.now(UTC))
        if window is None:
            return dg.AssetCheckResult(passed=True, description="No window has ended yet.")
        segments = context.instance.get_dynamic_partitions(SEGMENTS_NAME)
        with warehouse.open().read() as connection:
            rows = connection.execute(
                load_sql(__package__, "landed_segments.sql"), {"window_start": window.start}
            ).fetchall()
        missing = sorted(set(segments) - {segment_key(*row) for row in rows})
        return dg.AssetCheckResult(
            passed=not missing,
            description=(
                f"Missing in window {window.key}: {named(missing)}. Re-run these partitions."
                if missing
                else f"All {len(segments)} segments have landed in window {window.key}."
            ),
            metadata={"window": window.key, "segments": len(segments), "missing": missing},
        )

    return newest_window_landed


def _is_accounted(mapped: ContactsMapped) -> bool:
    return mapped.read == mapped.new + mapped.changed + mapped.left + mapped.unchanged


def _identifiers_filled(
    warehouse: Warehouse, settings: Settings, accounts: set[str]
) -> dg.AssetCheckResult:
    empty: list[str] = []
    with warehouse.read() as connection:
        for account in settings.accounts:
            for mapping in account.fields:
                if mapping.identifier is None or account.name not in accounts:
                    continue
                sql = load_sql(__package__, "filled_values.sql", property=quote(mapping.property))
                ((contacts, filled),) = connection.execute(
                    sql, {"account": account.name}
                ).fetchall()
                if contacts and not filled:
                    empty.append(f"{mapping.property} of {account.name}")
    return dg.AssetCheckResult(
        asset_key=MAPPED,
        check_name=IDENTIFIERS_FILLED,
        passed=not empty,
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"Empty for every contact: {named(empty)}. Check the field in the settings' mapping."
            if empty
            else None
        ),
        metadata={"empty_properties": empty},
    )
