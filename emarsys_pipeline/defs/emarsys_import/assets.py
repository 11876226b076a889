"""raw_segment_exports and mapped_contacts: one run takes many segments, each fails by itself."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import dagster as dg
from pydantic import Field

from emarsys_pipeline.defs.emarsys_import.checks import (
    delivery_checks,
    import_check_specs,
    import_checks,
)
from emarsys_pipeline.defs.emarsys_import.columns import column_metadata
from emarsys_pipeline.defs.emarsys_import.landing import Landing, SegmentLander
from emarsys_pipeline.defs.emarsys_import.metadata import (
    growth_metadata,
    import_metadata,
    mapping_metadata,
    pruning_metadata,
)
from emarsys_pipeline.defs.failures import failure
from emarsys_pipeline.defs.partitions import IN_FULL_TAG, Partitions, SegmentWindow
from emarsys_pipeline.defs.progress import log_progress
from emarsys_pipeline.defs.resources import EmarsysAccounts, WarehouseResource
from emarsys_pipeline.defs.summaries import Metadata
from emarsys_pipeline.defs.table_schemas import mapped_property_columns, table_metadata
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.raw_segment_exports.pruning import prune_raw
from emarsys_pipeline.warehouse import Warehouse

RAW = "raw_segment_exports"
MAPPED = "mapped_contacts"

_RAW_DESCRIPTION = """One row per contact that one import of a segment delivered, or saw leave.

The first window of a segment is a full export; later ones hold what entered, left or changed, and
a full export reconciles from time to time. Values stand as Emarsys wrote them, one column
`field_<id>` per fetched field. A window that has landed is never fetched again: Emarsys cannot
show the past. Only a segment's newest window can be, by the job `segment_reconciliation`. Windows
from before a segment was configured stay missing for the same reason.
"""

_MAPPED_DESCRIPTION = """One row per contact that is new, changed or gone in a segment's window.

Fields carry the names and types of the settings; phone numbers are E.164, e-mail addresses
normalised. A change is a change of a mapped value, and `changed_fields` names it. A value that
cannot be converted is in `rejected_values` with its reason. Made from stored raw rows only, so
materializing it alone maps a past window again without asking Emarsys.
"""


class ImportConfig(dg.Config):
    """What a person may ask of one import."""

    in_full: bool = Field(
        default=False,
        description=(
            "Reconcile: import every member again, also of a window that has landed. Only for the "
            "newest window of a segment, since Emarsys cannot show the past."
        ),
    )


_Result = TypeVar("_Result")
_MetadataByAsset = dict[str, dict[SegmentWindow, Metadata]]


def build_import_assets(settings: Settings, partitions: Partitions) -> dg.AssetsDefinition:
    """The import as one step with two assets, so that good segments are mapped beside a bad one."""

    @dg.multi_asset(
        name="import_segments",
        description="Fetches segments from Emarsys and maps them; each lands or fails by itself.",
        specs=_specs(settings),
        partitions_def=partitions.segment_windows,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=import_check_specs(),
        can_subset=True,
    )
    def import_segments(
        context: dg.AssetExecutionContext,
        config: ImportConfig,
        warehouse: WarehouseResource,
        emarsys: EmarsysAccounts,
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        selected = {key.to_user_string() for key in context.selected_asset_keys}
        store = warehouse.open()
        lander = SegmentLander(
            settings=settings,
            warehouse=store,
            emarsys=emarsys,
            run_id=context.run.run_id,
            progress=log_progress(context.log),
            in_full=config.in_full or context.run.tags.get(IN_FULL_TAG) == "true",
        )
        segment_windows = partitions.parse_segment_windows(context.partition_keys)
        landing = lander.land(
            segment_windows,
            is_fetching=RAW in selected,
            is_mapping=MAPPED in selected,
        )
        columns = column_metadata(store, settings, segment_windows[-1].window)
        yield from _results(context, store, landing, selected, columns)
        if RAW in selected:
            yield from delivery_checks(settings, landing)
        if MAPPED in selected:
            yield from import_checks(store, settings, landing)
        if RAW in selected:
            _prune(context, store, settings, landing)
        if landing.errors:
            raise _failure(landing)

    return import_segments


def _specs(settings: Settings) -> list[dg.AssetSpec]:
    return [
        dg.AssetSpec(
            RAW,
            group_name="emarsys_import",
            description=_RAW_DESCRIPTION,
            kinds={"emarsys", "duckdb"},
            tags={"layer": "raw", "personal_data": "true"},
            metadata=table_metadata(RAW),
        ),
        dg.AssetSpec(
            MAPPED,
            deps=[RAW],
            group_name="emarsys_import",
            description=_MAPPED_DESCRIPTION,
            kinds={"duckdb", "sql"},
            tags={"layer": "mapped", "personal_data": "true"},
            metadata=table_metadata(MAPPED, mapped_property_columns(settings)),
        ),
    ]


def _results(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    landing: Landing,
    selected: set[str],
    columns: Mapping[str, Metadata],
) -> Iterator[dg.MaterializeResult[None]]:
    """Report what landed.

    A result of the step speaks for all its partitions. When one of them failed, each good one is
    reported by an event of its own instead; the failure of the step leaves the others as failed.
    """
    metadata: _MetadataByAsset = {
        RAW: _each(landing.imported, import_metadata),
        MAPPED: _each(landing.mapped, mapping_metadata),
    }
    for asset in sorted(selected, reverse=True):
        for partition, counts in metadata[asset].items():
            growth = growth_metadata(warehouse, partition) if asset == RAW else {}
            facts = {**counts, **growth, **columns[asset]}
            if landing.errors:
                context.log_event(
                    dg.AssetMaterialization(asset, partition=partition.key, metadata=facts)
                )
            else:
                context.add_asset_metadata(facts, asset_key=asset, partition_key=partition.key)
        if not landing.errors:
            yield dg.MaterializeResult(asset_key=asset)


def _prune(
    context: dg.AssetExecutionContext, warehouse: Warehouse, settings: Settings, landing: Landing
) -> None:
    """Remove raw rows that are older than the settings keep; seen on the segment's partition."""
    for account in sorted({each.account for each in landing.imported}):
        newest = {
            each.segment_id: each for each in sorted(landing.imported) if each.account == account
        }
        for pruned in prune_raw(
            warehouse,
            account,
            keep_windows=settings.imports.keep_raw_windows,
            run_id=context.run.run_id,
        ):
            partition = newest.get(pruned.segment_id)
            context.log_event(
                dg.AssetObservation(
                    RAW,
                    partition=partition.key if partition else None,
                    description=f"Raw rows of {account}-{pruned.segment_id} were pruned.",
                    metadata=pruning_metadata(pruned),
                )
            )


def _each(
    results: dict[SegmentWindow, _Result], describe: Callable[[_Result], Metadata]
) -> dict[SegmentWindow, Metadata]:
    return {partition: describe(result) for partition, result in results.items()}


def _failure(landing: Landing) -> dg.Failure:
    landed = (landing.imported.keys() | landing.mapped.keys()) - landing.errors.keys()
    return failure(
        {partition.key: error for partition, error in landing.errors.items()},
        what="did not land",
        then="Then re-run the failed partitions"
        + ("; the others have landed and go on" if landed else ""),
        metadata={
            "failed_partitions": dg.MetadataValue.json(
                sorted(partition.key for partition in landing.errors)
            ),
            "landed_partitions": dg.MetadataValue.int(len(landed)),
        },
    )
