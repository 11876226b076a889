"""The job that keeps a lake small, and its schedule."""

from datetime import timedelta

import dagster as dg

from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.defs.resources import WarehouseResource
from emarsys_pipeline.defs.summaries import Metadata, markdown, table
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.warehouse import Maintained

MAINTENANCE = "maintenance"
NOTHING = "Nothing to do: the warehouse is one file, which keeps no old states."


def build_maintenance_job(settings: Settings) -> dg.JobDefinition:
    """The job; how long old states are kept is in the settings."""

    @dg.op(description="Merges small files and removes what no reader needs.", name="maintain")
    def maintain(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
        keep = timedelta(days=settings.maintenance.keep_snapshots_days)
        done = warehouse.open().maintain(keep_snapshots=keep)
        context.log.info("%s", done or NOTHING)
        context.add_output_metadata(
            {"summary": markdown(NOTHING)} if done is None else _metadata(done)
        )

    @dg.job(
        name=MAINTENANCE,
        owners=OWNERS,
        description=(
            "Keeps a lake small: writes many small files as few, ends states older than "
            "maintenance.keep_snapshots_days, and removes files that no state needs or that a "
            "writer left when it died. What analysts see stays the same. Does nothing where the "
            "warehouse is one file."
        ),
        executor_def=dg.in_process_executor,
    )
    def maintenance() -> None:
        maintain()

    return maintenance


def build_maintenance_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule; its cron expression is in the settings."""

    @dg.schedule(
        name="maintenance_schedule",
        job_name=MAINTENANCE,
        cron_schedule=settings.maintenance.cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        owners=OWNERS,
        description="Merges small files of a lake and removes old ones, once a day.",
    )
    def maintenance_schedule(warehouse: WarehouseResource) -> dg.RunRequest | dg.SkipReason:
        if not warehouse.without_migration().needs_maintenance:
            return dg.SkipReason(NOTHING)
        return dg.RunRequest()

    return maintenance_schedule


def _metadata(done: Maintained) -> Metadata:
    rows = [
        ("states that can be read", done.before.snapshots, done.after.snapshots),
        ("files of the newest state", done.before.files, done.after.files),
        ("bytes of the newest state", done.before.bytes, done.after.bytes),
        ("files stored in all", done.before.stored_files, done.after.stored_files),
    ]
    return {
        "summary": markdown(table(["what", "before", "after"], rows)),
        "files_before": done.before.stored_files,
        "files_after": done.after.stored_files,
        "bytes_before": done.before.bytes,
        "bytes_after": done.after.bytes,
        "snapshots_expired": done.snapshots_expired,
        "files_merged": done.files_merged,
        "files_removed": done.files_removed,
        "orphans_removed": done.orphans_removed,
    }
