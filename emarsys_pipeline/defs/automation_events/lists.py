"""The asset automation_lists and the sensor that starts it; only where legacy nodes may call."""

from datetime import UTC, datetime

import dagster as dg

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.defs.automation_events.assets import PAUSE_AFTER_FAILURE
from emarsys_pipeline.defs.failures import failure
from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.defs.partitions import Partitions
from emarsys_pipeline.defs.resources import EmarsysAccounts, InboxResource, WarehouseResource
from emarsys_pipeline.defs.row_counts import table_rows
from emarsys_pipeline.defs.summaries import Metadata, markdown
from emarsys_pipeline.defs.table_schemas import table_metadata
from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.automation_lists import fetch_automation_lists

AUTOMATION_LIST_FETCH = dg.define_asset_job(
    "automation_list_fetch",
    selection=dg.AssetSelection.assets("automation_lists"),
    owners=OWNERS,
    description=(
        "Reads the contact lists that legacy automation nodes name, while they exist: Emarsys "
        "deletes them after an hour."
    ),
)


def build_automation_lists_asset(settings: Settings, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset; unpartitioned, since lists are read whichever window their calls arrived in."""

    @dg.asset(
        group_name="messaging_platform",
        kinds={"emarsys", "duckdb"},
        tags={"layer": "raw", "personal_data": "true"},
        metadata=table_metadata("automation_lists"),
    )
    def automation_lists(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        inbox: InboxResource,
        emarsys: EmarsysAccounts,
    ) -> dg.MaterializeResult[None]:
        """One row per legacy automation call that names a contact list, and whether it was read.

        The contacts of each list are in the table automation_list_members. Materializing it again
        reads only lists that were not read.
        """
        store = warehouse.open()
        with inbox.open() as messages:
            done = fetch_automation_lists(
                store,
                messages,
                emarsys.client,
                [account.name for account in settings.accounts],
                grid=partitions.grid,
                run_id=context.run.run_id,
            )
        metadata: Metadata = {
            **table_rows(store, "automation_lists"),
            "fetched": done.fetched,
            "members": done.members,
            "gone": done.gone,
            "summary": markdown(
                f"{done.fetched:,} lists with {done.members:,} contacts read, {done.gone:,} were "
                "gone already."
                if done.fetched or done.gone
                else "Nothing to do: no call named a list that was not read."
            ),
        }
        if done.errors:
            raise failure(
                dict(done.errors),
                what="did not show a list of an automation",
                then="The sensor automation_list_calls tries again while the list exists",
                metadata=metadata,
            )
        return dg.MaterializeResult(metadata=metadata)

    return automation_lists


def build_automation_lists_sensor() -> dg.SensorDefinition:
    """The sensor; on by default."""

    @dg.sensor(
        name="automation_list_calls",
        job=AUTOMATION_LIST_FETCH,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        owners=OWNERS,
        description=(
            "Looks into the inbox. New calls of Emarsys automations start automation_list_fetch, "
            "and a failed one is repeated. Stopped, lists are lost: Emarsys deletes them after an "
            "hour."
        ),
    )
    def automation_list_calls(
        context: dg.SensorEvaluationContext, inbox: InboxResource
    ) -> dg.SensorResult:
        with inbox.open() as messages:
            return look(context, messages, utc_now())

    return automation_list_calls


def look(context: dg.SensorEvaluationContext, inbox: Inbox, now: datetime) -> dg.SensorResult:
    """Decide whether lists must be read; the cursor is the last call that a run was asked for."""
    cursor, newest = int(context.cursor or 0), inbox.last_sequence(("automation",))
    records = context.instance.get_run_records(
        dg.RunsFilter(job_name=AUTOMATION_LIST_FETCH.name), limit=1
    )
    has_failed = False
    if records:
        run, ended = records[0].dagster_run, records[0].end_time
        if not run.is_finished:
            return _skip(cursor, "A run that reads lists is on its way.")
        has_failed = run.is_failure
        if has_failed and ended and now < datetime.fromtimestamp(ended, UTC) + PAUSE_AFTER_FAILURE:
            return _skip(cursor, "The last automation_list_fetch failed; it is repeated soon.")
    if newest > cursor or has_failed:
        return dg.SensorResult(run_requests=[dg.RunRequest()], cursor=str(newest))
    return _skip(cursor, "No automation has called since the last run.")


def _skip(cursor: int, reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=str(cursor))
