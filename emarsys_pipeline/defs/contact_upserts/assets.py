"""contact_upserts: which persons are new, changed or gone, as a table and as files."""

from collections.abc import Iterator, Sequence

import dagster as dg

from emarsys_pipeline.defs.automation import contact_upserts_condition
from emarsys_pipeline.defs.contact_upserts.checks import upsert_check, upsert_check_spec
from emarsys_pipeline.defs.partitions import Partitions
from emarsys_pipeline.defs.resources import WarehouseResource
from emarsys_pipeline.defs.summaries import Metadata, counts, markdown, named
from emarsys_pipeline.defs.table_schemas import table_metadata
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.contact_upserts import (
    ContactUpsertsDerived,
    HandedOver,
    derive_contact_upserts,
    hand_over,
    upserts_by_window,
)
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline.windows import Window


def build_upsert_asset(settings: Settings, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset; it follows stitching, window by window."""

    @dg.asset(
        deps=["stitched_identities"],
        partitions_def=partitions.windows,
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=contact_upserts_condition(),
        check_specs=[upsert_check_spec()],
        group_name="messaging_platform",
        kinds={"duckdb", "sql"},
        tags={"layer": "outbox", "personal_data": "true"},
        metadata=table_metadata("contact_upserts"),
    )
    def contact_upserts(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """One row per person and window whose golden record is new, changed or retired.

        What the messaging side is to know: numbers, addresses, properties, and which of them
        changed; a person merged into another one is retired and names it. Consent is not among
        it. Ids are stable: a second run adds nothing. With `messaging.hand_over` in the settings,
        each window is also a file in a folder; with `messaging.http`, it is sent as well. Runs by
        itself after stitching.
        """
        store = warehouse.open()
        windows = partitions.parse_windows(context.partition_keys)
        result = derive_contact_upserts(
            store,
            accounts=settings.accounts,
            properties=settings.property_types,
            run_id=context.run.run_id,
        )
        context.log.info("derived %d contact upserts", result.derived)
        handed_over = _hand_over(settings, store, windows)
        held = upserts_by_window(store, [window.start for window in windows])
        for window in windows:
            rows = held[window.start]
            context.add_asset_metadata(
                {
                    "dagster/partition_row_count": sum(rows.values()),
                    **{name: rows.get(name, 0) for name in ("new", "changed", "retired")},
                },
                partition_key=window.key,
            )
        yield dg.MaterializeResult(metadata=_metadata(result, handed_over))
        yield upsert_check(store)

    return contact_upserts


def _hand_over(
    settings: Settings, warehouse: Warehouse, windows: Sequence[Window]
) -> HandedOver | None:
    if settings.messaging.hand_over is None:
        return None
    return hand_over(warehouse, settings.messaging.hand_over, settings.home, windows)


def _metadata(result: ContactUpsertsDerived, handed_over: HandedOver | None) -> Metadata:
    headline = (
        f"{result.derived:,} persons are new, changed or gone."
        if result.derived
        else "Nothing to do: the messaging side is told of every golden record as it is."
    )
    table = counts({"new": result.new, "changed": result.changed, "retired": result.retired})
    metadata: Metadata = {
        "summary": markdown(
            headline,
            table if result.derived else "",
            counts({f"with a new {name}": n for name, n in result.by_property.items()})
            if result.by_property
            else "",
            f"Left out, since it is consent: {named(result.withheld)}." if result.withheld else "",
        ),
        "derived": result.derived,
    }
    if handed_over is not None:
        metadata["folder"] = dg.MetadataValue.path(str(handed_over.folder))
        metadata["files"] = dg.MetadataValue.json(handed_over.rows)
    return metadata
