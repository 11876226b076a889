"""The schedule that starts everything: one import run per window."""

import dagster as dg

from emarsys_pipeline.defs.jobs import SEGMENT_IMPORT
from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.defs.partitions import SEGMENTS_NAME, Partitions, import_range_tags


def build_import_schedule(partitions: Partitions, *, delay_minutes: int) -> dg.ScheduleDefinition:
    """The schedule that imports each window, for all segments in one run, once it has ended."""
    hours = partitions.grid.length_minutes / 60

    @dg.schedule(
        name="segment_import_schedule",
        job=SEGMENT_IMPORT,
        cron_schedule=partitions.grid.cron(delay_minutes),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        owners=OWNERS,
        description=(
            f"Every {hours:g} h, {delay_minutes} min after a window has ended: imports that window "
            "for all configured segments in one run. The later stages follow by themselves."
        ),
    )
    def segment_import_schedule(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        window = partitions.grid.newest_closed(context.scheduled_execution_time)
        if window is None:
            return dg.SkipReason("No window has ended yet: nothing to import.")
        segments = context.instance.get_dynamic_partitions(SEGMENTS_NAME)
        if not segments:
            return dg.SkipReason(
                "No segment is known yet. Configure segments in the settings file; the sensor "
                "segment_catalogue adds them and imports them at once."
            )
        return dg.RunRequest(
            run_key=f"import-{window.key}", tags=import_range_tags(segments, window)
        )

    return segment_import_schedule
