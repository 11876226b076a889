"""opt_in_deltas: what must change in Emarsys so that it shows each person's decision."""

from collections.abc import Iterator

import dagster as dg

from emarsys_pipeline.defs.automation import opt_in_deltas_condition
from emarsys_pipeline.defs.opt_in.checks import delta_check, delta_check_spec
from emarsys_pipeline.defs.partitions import Partitions
from emarsys_pipeline.defs.resources import WarehouseResource
from emarsys_pipeline.defs.row_counts import window_rows
from emarsys_pipeline.defs.summaries import Metadata, counts, markdown
from emarsys_pipeline.defs.table_schemas import table_metadata
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.opt_in_deltas import (
    OptInDeltasDerived,
    OptInFieldError,
    derive_opt_in_deltas,
)


def build_delta_asset(settings: Settings, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset; the open window is a partition of it, since consent does not wait."""

    @dg.asset(
        deps=[
            # The open window is not stitched yet, and its consent is pushed all the same.
            dg.AssetDep(
                "stitched_identities",
                partition_mapping=dg.TimeWindowPartitionMapping(
                    allow_nonexistent_upstream_partitions=True
                ),
            ),
            dg.AssetDep("consent_events"),
        ],
        partitions_def=partitions.open_windows,
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=opt_in_deltas_condition(),
        check_specs=[delta_check_spec()],
        group_name="opt_in",
        kinds={"duckdb", "sql"},
        tags={"layer": "outbox", "personal_data": "false"},
        metadata=table_metadata("opt_in_deltas"),
    )
    def opt_in_deltas(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """One row per Emarsys contact whose opt-in field must change, and why.

        The newest decision of a person holds for all of the person's contacts. Ids are stable: a
        second run adds nothing. Runs by itself after stitching, and in the opt-in sensor's run
        for decisions that have just arrived.
        """
        store = warehouse.open()
        windows = partitions.parse_windows(context.partition_keys)
        for window in windows:
            try:
                result = derive_opt_in_deltas(
                    store, window, accounts=settings.accounts, run_id=context.run.run_id
                )
            except OptInFieldError as error:
                raise dg.Failure(str(error), allow_retries=False) from error
            context.log.info("%s: derived %d deltas", window.key, result.derived)
            context.add_asset_metadata(_metadata(result), partition_key=window.key)
        for window, rows in window_rows(store, "opt_in_deltas", windows).items():
            context.add_asset_metadata(rows, partition_key=window.key)
        yield dg.MaterializeResult()
        yield delta_check(store)

    return opt_in_deltas


def _metadata(result: OptInDeltasDerived) -> Metadata:
    headline = (
        f"{result.derived:,} opt-in fields must change."
        if result.derived
        else "Nothing to do: Emarsys shows every known decision, or it is on its way already."
    )
    return {
        "summary": markdown(
            headline,
            counts(result.by_reason) if result.by_reason else "",
            _open_ends(result),
        ),
        "derived": result.derived,
        "unresolved_events": result.unresolved_events,
        "unknown_status": result.unknown_status,
    }


def _open_ends(result: OptInDeltasDerived) -> str:
    if not (result.unresolved_events or result.unknown_status):
        return ""
    return (
        f"In the whole ledger, {result.unresolved_events:,} decisions are of people whom no "
        f"imported contact matches, and {result.unknown_status:,} say neither yes nor no."
    )
