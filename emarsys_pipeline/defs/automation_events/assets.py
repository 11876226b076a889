"""The asset automation_events, its job, and the sensor that starts it."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.defs.partitions import Partitions, range_tags
from emarsys_pipeline.defs.resources import InboxResource, WarehouseResource
from emarsys_pipeline.defs.row_counts import window_rows
from emarsys_pipeline.defs.summaries import counts, markdown
from emarsys_pipeline.defs.table_schemas import table_metadata
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.automation_events import ingest_automation_events
from emarsys_pipeline.warehouse import Warehouse

# A failed run is repeated after this; the calls wait in the inbox.
PAUSE_AFTER_FAILURE = timedelta(minutes=1)

AUTOMATION_INGEST = dg.define_asset_job(
    "automation_ingest",
    selection=dg.AssetSelection.assets("automation_events"),
    owners=OWNERS,
    description=(
        "Takes the calls of Emarsys automations from the inbox into the windows in which they "
        "arrived."
    ),
)


def build_automation_events_asset(
    settings: Settings, partitions: Partitions
) -> dg.AssetsDefinition:
    """The asset; the open window is a partition of it, since triggers do not wait."""

    @dg.asset(
        partitions_def=partitions.open_windows,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="messaging_platform",
        kinds={"duckdb", "sql"},
        tags={"layer": "raw", "personal_data": "true"},
        metadata=table_metadata("automation_events"),
    )
    def automation_events(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, inbox: InboxResource
    ) -> dg.MaterializeResult[None]:
        """One row per call of a webhook node in an Emarsys automation.

        Taken from the inbox in the order of arrival, once each, and linked to the person by the
        contact id, external id, phone number or e-mail address in the call. Code of your own
        follows it with `automation_event_sensor`, event by event, or with an asset sensor.
        """
        store = warehouse.open()
        totals: dict[str, int] = {}
        windows = partitions.parse_windows(context.partition_keys)
        for window in windows:
            with inbox.open() as messages:
                taken = ingest_automation_events(
                    store, messages, window, grid=partitions.grid, accounts=settings.accounts
                )
            for name, events in taken.by_event.items():
                totals[name] = totals.get(name, 0) + events
            context.add_asset_metadata({"added": taken.added}, partition_key=window.key)
        for window, rows in window_rows(store, "automation_events", windows).items():
            context.add_asset_metadata(rows, partition_key=window.key)
        added = sum(totals.values())
        context.log.info("added %d automation events", added)
        return dg.MaterializeResult(
            metadata={
                "added": added,
                "summary": markdown(
                    counts(totals)
                    if added
                    else "Nothing to do: every call received by then had been taken in before."
                ),
            }
        )

    return automation_events


def build_automation_inbox_sensor(partitions: Partitions) -> dg.SensorDefinition:
    """The sensor that starts the job; on by default."""

    @dg.sensor(
        name="automation_inbox",
        job=AUTOMATION_INGEST,
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        owners=OWNERS,
        description=(
            "Looks into the inbox. Calls of Emarsys automations that are not in automation_events "
            "yet start automation_ingest for the windows in which they arrived. Stopped, nothing "
            "is lost: calls stay in the inbox."
        ),
    )
    def automation_inbox(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, inbox: InboxResource
    ) -> dg.RunRequest | dg.SkipReason:
        store = warehouse.without_migration()
        store.publish_pending()
        taken = _newest_taken(store)
        with inbox.open() as messages:
            oldest = messages.oldest_received_after(taken, ("automation",))
        if oldest is None:
            return dg.SkipReason("No automation has called since the last run.")
        now = utc_now()
        waiting = _waiting_reason(context.instance, now)
        if waiting is not None:
            return dg.SkipReason(waiting)
        grid = partitions.grid
        first = max(grid.at(oldest), grid.at(grid.start))
        current = max(grid.at(now), first)
        return dg.RunRequest(
            partition_key=current.key if first == current else None,
            tags={} if first == current else range_tags(first.key, current.key),
        )

    return automation_inbox


def _newest_taken(warehouse: Warehouse) -> int:
    """The position up to which calls are in the published table; 0 before the first."""
    if not warehouse.is_published:
        return 0
    with warehouse.read_published() as connection:
        tables = connection.execute(
            "select count(*) from duckdb_tables() where table_name = 'automation_events'"
        ).fetchall()
        if tables == [(0,)]:
            return 0
        ((newest,),) = connection.execute(
            "select coalesce(max(inbox_sequence), 0) from automation_events"
        ).fetchall()
    return int(newest)


def _waiting_reason(instance: dg.DagsterInstance, now: datetime) -> str | None:
    """Why no run is asked for now: one is on its way, or one has just failed."""
    records = instance.get_run_records(dg.RunsFilter(job_name=AUTOMATION_INGEST.name), limit=1)
    if not records:
        return None
    run, ended = records[0].dagster_run, records[0].end_time
    if not run.is_finished:
        return "A run that takes the calls in is on its way."
    if run.is_failure and ended and now < datetime.fromtimestamp(ended, UTC) + PAUSE_AFTER_FAILURE:
        return "The last automation_ingest failed; it is repeated after a minute."
    return None
