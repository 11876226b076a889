"""The schedule that starts everything: the import of each window."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal

import dagster as dg

from emarsys_pipeline.defs.jobs import SEGMENT_IMPORT
from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.defs.partitions import (
    SEGMENTS_NAME,
    Partitions,
    import_range_tags,
    split_segment_key,
)

RunsPer = Literal["window", "account"]
_SHARES = {"window": "all configured segments in one run", "account": "each account in its own run"}


def build_import_schedule(
    partitions: Partitions, *, delay_minutes: int, runs_per: RunsPer = "window"
) -> dg.ScheduleDefinition:
    """The schedule that imports each window once it has ended."""
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
            f"for {_SHARES[runs_per]}. The later stages follow by themselves."
        ),
    )
    def segment_import_schedule(
        context: dg.ScheduleEvaluationContext,
    ) -> list[dg.RunRequest] | dg.SkipReason:
        window = partitions.grid.newest_closed(context.scheduled_execution_time)
        if window is None:
            return dg.SkipReason("No window has ended yet: nothing to import.")
        segments = context.instance.get_dynamic_partitions(SEGMENTS_NAME)
        if not segments:
            return dg.SkipReason(
                "No segment is known yet. Configure segments in the settings file; the sensor "
                "segment_catalogue adds them and imports them at once."
            )
        if runs_per == "window":
            tags = import_range_tags(segments, window)
            return [dg.RunRequest(run_key=f"import-{window.key}", tags=tags)]
        return [
            dg.RunRequest(
                run_key=f"import-{window.key}-{neighbours[0]}",
                tags=import_range_tags(neighbours, window),
            )
            for neighbours in _of_one_account(segments)
        ]

    return segment_import_schedule


def _of_one_account(segments: Sequence[str]) -> Iterator[list[str]]:
    """Neighbours that are of one account: a run takes a range, and accounts may be mixed."""
    for _, neighbours in groupby(segments, key=lambda segment: split_segment_key(segment)[0]):
        yield list(neighbours)
