"""stitched_identities: contacts of all accounts and of the messaging side, joined to persons."""

from collections.abc import Iterator

import dagster as dg

from emarsys_pipeline.defs.automation import stitched_identities_condition
from emarsys_pipeline.defs.identities.checks import identity_check_specs, identity_checks
from emarsys_pipeline.defs.identities.report import identity_report
from emarsys_pipeline.defs.partitions import WINDOW_DIMENSION, Partitions
from emarsys_pipeline.defs.resources import WarehouseResource
from emarsys_pipeline.defs.summaries import Metadata, counts, markdown
from emarsys_pipeline.defs.table_schemas import table_metadata
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.stitched_identities import IdentitiesStitched, stitch_identities


def build_identity_asset(settings: Settings, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset; all segments of a window meet in it."""

    @dg.asset(
        deps=[
            dg.AssetDep(
                "mapped_contacts",
                partition_mapping=dg.MultiToSingleDimensionPartitionMapping(WINDOW_DIMENSION),
            ),
            dg.AssetDep("platform_contacts"),
        ],
        partitions_def=partitions.windows,
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=stitched_identities_condition(),
        check_specs=identity_check_specs(),
        group_name="identities",
        kinds={"duckdb", "sql", "python"},
        tags={"layer": "stitched", "personal_data": "false"},
        metadata=table_metadata("stitched_identities"),
    )
    def stitched_identities(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """One row per contact whose identity was assigned or changed in the window.

        Contacts that share a phone number or an e-mail address are one person, across accounts
        and with the messaging side. Identifiers that too many contacts share link nobody and are
        in `quarantined_links`. Also writes `identities` (golden records), `identity_members`,
        `identity_identifiers`, `identity_property_sources` and `identity_events` (merges and
        splits). The same contacts give the same identity ids in every run. People correct
        identities with `emarsys-pipeline identities`. Runs by itself once every segment of the
        window has landed or failed, and again when a missing one lands.
        """
        store = warehouse.open()
        windows = partitions.parse_windows(context.partition_keys)
        results: list[IdentitiesStitched] = []
        for window in windows:
            result = stitch_identities(
                store,
                window,
                stitching=settings.stitching,
                property_types=settings.property_types,
                run_id=context.run.run_id,
            )
            results.append(result)
            context.log.info("%s: %d identities", window.key, result.identities)
            is_last = window == windows[-1]
            report = identity_report(store) if is_last else {}
            context.add_asset_metadata({**_metadata(result), **report}, partition_key=window.key)
        yield dg.MaterializeResult()
        yield from identity_checks(context, store, settings, windows, results)

    return stitched_identities


def _metadata(result: IdentitiesStitched) -> Metadata:
    headline = (
        f"{result.assigned:,} contacts got an identity or changed it."
        if result.assigned
        else "Nothing to do: no contact's identity changed in this window."
    )
    return {
        "summary": markdown(
            headline,
            counts(
                {
                    "contacts": result.records,
                    "identities": result.identities,
                    "merges": result.merges,
                    "splits": result.splits,
                    "identifiers in quarantine": result.quarantined,
                    "contacts of the largest identity": result.largest,
                }
            ),
        ),
        "dagster/partition_row_count": result.assigned,
        "records": result.records,
        "identities": result.identities,
        "merges": result.merges,
        "splits": result.splits,
        "quarantined": result.quarantined,
        "largest": result.largest,
    }
