"""The job that applies retention, and its schedule."""

import dagster as dg

from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.defs.resources import WarehouseResource
from emarsys_pipeline.defs.summaries import counts, markdown
from emarsys_pipeline.privacy.erase import Home
from emarsys_pipeline.privacy.retention import apply_retention
from emarsys_pipeline.settings import Settings

RETENTION = "retention"


def build_retention_job(settings: Settings) -> dg.JobDefinition:
    """The job; how long is kept what, is in the settings."""

    @dg.op(description="Removes what is older than the settings allow.", name="apply_retention")
    def apply(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
        home = Home(warehouse=warehouse.open(), settings=settings)
        removed = apply_retention(home)
        context.log.info("removed: %s", removed or "nothing")
        context.add_output_metadata(
            {
                "summary": markdown(
                    counts(removed)
                    if any(removed.values())
                    else "Nothing to do: nothing has been kept for longer than the settings say."
                ),
                **{name: dg.MetadataValue.int(n) for name, n in removed.items()},
            }
        )

    @dg.job(
        name=RETENTION,
        owners=OWNERS,
        description=(
            "Removes wording that has been kept for as long as the settings say: messages that "
            "were taken in, answers, refused values, left-over downloads. Contacts, decisions and "
            "outcomes stay."
        ),
        executor_def=dg.in_process_executor,
    )
    def retention() -> None:
        apply()

    return retention


def build_retention_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule; its cron expression is in the settings."""
    return dg.ScheduleDefinition(
        name="retention_schedule",
        job_name=RETENTION,
        cron_schedule=settings.retention.cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        owners=OWNERS,
        description="Removes, once a day, what has been kept for as long as the settings say.",
    )
