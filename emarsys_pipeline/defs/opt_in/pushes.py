"""opt_in_pushes: the outbox, drained account by account."""

from collections.abc import Iterator

import dagster as dg

from emarsys_pipeline.defs.failures import failure
from emarsys_pipeline.defs.opt_in.checks import push_check, push_check_spec
from emarsys_pipeline.defs.opt_in.drain import OutboxDrain
from emarsys_pipeline.defs.progress import log_progress
from emarsys_pipeline.defs.resources import EmarsysAccounts, InboxResource, WarehouseResource
from emarsys_pipeline.defs.row_counts import table_rows
from emarsys_pipeline.defs.summaries import Metadata, markdown, table
from emarsys_pipeline.defs.table_schemas import table_metadata
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.opt_in_pushes import OptInPushed

_OUTCOMES = ("accepted", "rejected", "retrying", "unknown", "superseded", "requests")


def build_push_asset(settings: Settings) -> dg.AssetsDefinition:
    """The asset; unpartitioned, since an outbox is drained whichever window filled it."""

    @dg.asset(
        deps=["opt_in_deltas", "opt_in_drift"],
        check_specs=[push_check_spec()],
        group_name="opt_in",
        kinds={"emarsys", "duckdb"},
        tags={"layer": "outbox", "personal_data": "false"},
        metadata=table_metadata("opt_in_pushes"),
    )
    def opt_in_pushes(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        inbox: InboxResource,
        emarsys: EmarsysAccounts,
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """One row per attempt to write one opt-in value to Emarsys.

        The intent is written before the request and the outcome after it. A request without an
        answer is unknown until reading back settles it; a refusal that may pass is tried again
        with growing waits; one that will not is a dead letter. Materializing it again sends only
        what is due.
        """
        store = warehouse.open()
        with inbox.open() as messages:
            drain = OutboxDrain(
                settings=settings,
                warehouse=store,
                inbox=messages,
                emarsys=emarsys,
                run_id=context.run.run_id,
                progress=log_progress(context.log),
            )
            pushed, errors = drain.push()
        yield push_check(store)
        if errors:
            raise failure(
                errors,
                what="did not take its opt-in values",
                then="The outbox keeps what was not sent, and the sensor opt_in tries again",
                metadata=_metadata(pushed),
            )
        yield dg.MaterializeResult(
            metadata={**_metadata(pushed), **table_rows(store, "opt_in_pushes")}
        )

    return opt_in_pushes


def _metadata(pushed: dict[str, OptInPushed]) -> Metadata:
    totals = {name: sum(getattr(result, name) for result in pushed.values()) for name in _OUTCOMES}
    rows = [
        [account, *(getattr(result, name) for name in _OUTCOMES)]
        for account, result in sorted(pushed.items())
    ]
    headline = (
        "Values sent to Emarsys, by account:"
        if totals["requests"]
        else "Nothing to do: no opt-in value was due."
    )
    metadata: Metadata = {
        "summary": markdown(headline, table(["account", *_OUTCOMES], rows) if rows else "")
    }
    metadata.update({name: dg.MetadataValue.int(total) for name, total in totals.items()})
    return metadata
