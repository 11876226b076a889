"""What readers of the imported and mapped rows rely on."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import dagster as dg

from emarsys_pipeline.defs.automation import newest_window_check_condition
from emarsys_pipeline.defs.emarsys_import.landing import Landing
from emarsys_pipeline.defs.labels import minutes_until_late
from emarsys_pipeline.defs.partitions import SEGMENTS_NAME, Partitions, SegmentWindow, segment_key
from emarsys_pipeline.defs.resources import WarehouseResource
from emarsys_pipeline.defs.summaries import markdown, named, table
from emarsys_pipeline.emarsys.errors import IncompleteExportError
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.mapped_contacts import ContactsMapped
from emarsys_pipeline.stages.raw_segment_exports import (
    SuspiciousDeliveryError,
    WrongDeliveryError,
)
from emarsys_pipeline.warehouse import Warehouse, load_sql, quote

RAW = "raw_segment_exports"
MAPPED = "mapped_contacts"
COUNT_MATCHES = "count_within_tolerance"
DELIVERY_PLAUSIBLE = "delivery_plausible"
PHONES_READABLE = "phones_readable"
ROWS_ACCOUNTED = "rows_accounted_for"
UNIQUE_CONTACTS = "one_row_per_contact"
IDENTIFIERS_FILLED = "identifiers_filled"


def import_check_specs() -> list[dg.AssetCheckSpec]:
    """The checks that the import's step evaluates itself."""
    return [
        dg.AssetCheckSpec(
            COUNT_MATCHES,
            asset=RAW,
            description=(
                "Each segment holds as many contacts as Emarsys counts, within "
                "`imports.count_tolerance`. Counts are compared before anything is written too; "
                "fails if what was written differs even so."
            ),
        ),
        dg.AssetCheckSpec(
            DELIVERY_PLAUSIBLE,
            asset=RAW,
            description=(
                "No segment came empty, shrunken, miscounted or in the wrong form. Fails when one "
                "was stopped for that; nothing of it was written, and it must not be read as "
                "'everyone left'."
            ),
        ),
        dg.AssetCheckSpec(
            ROWS_ACCOUNTED,
            asset=MAPPED,
            blocking=True,
            description=(
                "Every raw row was read, and is written as new, changed or left, or said nothing "
                "new. No row is rejected: a value that does not fit is, and its row lives on. "
                "Fails if mapping lost or multiplied rows; stitching waits, since it would spread "
                "the damage."
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
        dg.AssetCheckSpec(
            PHONES_READABLE,
            asset=MAPPED,
            description=(
                "Of the contacts with something in a phone property, no more than "
                "`imports.max_unreadable_phone_share` have no valid number. Fails if the mapping "
                "points at the wrong field, or `default_region` is not that of the account."
            ),
        ),
    ]


def import_checks(
    warehouse: Warehouse, settings: Settings, landing: Landing
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks over what a run landed; a run that landed nothing broke nothing."""
    lost = [
        each.key
        for each, mapped in landing.mapped.items()
        if not _is_accounted(mapped)
        or (each in landing.imported and mapped.read != landing.imported[each].rows_delivered)
    ]
    yield dg.AssetCheckResult(
        asset_key=MAPPED,
        check_name=ROWS_ACCOUNTED,
        passed=not lost,
        metadata={
            "windows": _windows(landing.mapped),
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
            "windows": _windows(landing.mapped),
            "contacts_with_several_rows": sum(contacts for _, _, contacts in repeated),
            "segments": [segment_key(account, segment) for account, segment, _ in repeated],
        },
    )
    accounts = {each.account for each in landing.mapped}
    yield _identifiers_filled(warehouse, settings, accounts)
    yield _phones_readable(warehouse, settings, accounts)


def delivery_checks(settings: Settings, landing: Landing) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks over what Emarsys delivered in this run."""
    tolerance = settings.imports.count_tolerance
    counted = {
        each.key: (imported.members, imported.counted)
        for each, imported in landing.imported.items()
        if imported.counted is not None
    }
    differing = [
        f"{key} has {members:,} of {count:,}"
        for key, (members, count) in counted.items()
        if abs(members - count) > int(tolerance * count)
    ]
    yield dg.AssetCheckResult(
        asset_key=RAW,
        check_name=COUNT_MATCHES,
        passed=not differing,
        description=f"{named(differing)}. Import them again in full." if differing else None,
        metadata={
            "counts": markdown(
                table(
                    ["partition", "members", "counted by Emarsys"],
                    [[key, *pair] for key, pair in counted.items()],
                )
                if counted
                else "Nothing was counted: it had landed before, or the permission is missing."
            ),
            "windows": _windows(landing.imported),
            "tolerance": tolerance,
        },
    )
    stopped = {
        each.key: error
        for each, error in landing.errors.items()
        if isinstance(error, (SuspiciousDeliveryError, WrongDeliveryError, IncompleteExportError))
    }
    yield dg.AssetCheckResult(
        asset_key=RAW,
        check_name=DELIVERY_PLAUSIBLE,
        passed=not stopped,
        description=f"Stopped, and nothing written: {named(list(stopped))}." if stopped else None,
        metadata={
            "stopped": markdown(
                table(["partition", "why"], [[key, error] for key, error in stopped.items()])
                if stopped
                else "None."
            )
        },
    )


def build_newest_window_check(
    partitions: Partitions, *, delay_minutes: int
) -> dg.AssetChecksDefinition:
    """The check that the schedule's last window is there, run by itself once per window.

    Freshness of the asset would not do: importing any old window makes an asset fresh.
    """
    minutes_after = minutes_until_late(partitions.grid, delay_minutes)

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


def _windows(landed: Iterable[SegmentWindow]) -> list[str]:
    """The windows that a check looked at, so that its result is not read as that of another."""
    return sorted({each.window.key for each in landed})


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


def _phones_readable(
    warehouse: Warehouse, settings: Settings, accounts: set[str]
) -> dg.AssetCheckResult:
    limit = settings.imports.max_unreadable_phone_share
    rows = []
    with warehouse.read() as connection:
        for account in settings.accounts:
            phones = [each.property for each in account.fields if each.identifier == "phone"]
            if account.name not in accounts or not phones:
                continue
            sql = load_sql(
                __package__,
                "unreadable_phones.sql",
                properties=", ".join(quote(name) for name in phones),
            )
            ((written, unreadable),) = connection.execute(sql, {"account": account.name}).fetchall()
            rows.append((account.name, written, unreadable))
    above = [
        f"{unreadable:,} of {written:,} in {account}"
        for account, written, unreadable in rows
        if unreadable > limit * written
    ]
    return dg.AssetCheckResult(
        asset_key=MAPPED,
        check_name=PHONES_READABLE,
        passed=not above,
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"Contacts without a valid number: {named(above)}. Check the field in the settings' "
            "mapping and the account's default_region; rejected_values has the reasons."
            if above
            else None
        ),
        metadata={
            "phones": markdown(
                table(["account", "contacts with a number", "none of them valid"], rows)
                if rows
                else "No account with a phone property."
            ),
            "limit": limit,
        },
    )
