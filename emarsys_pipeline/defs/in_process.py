"""Runs of jobs and assets inside this process, recorded like those of the daemon."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster_shared.error import SerializableErrorInfo

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.defs.partitions import SEGMENTS_NAME, import_range_tags, segment_key
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.windows import Window

# Without this each event of a run would be a line in the terminal.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


# Dagster turns an interrupt into this one, and carries on to record the run's end.
INTERRUPTED = "DagsterExecutionInterruptedError"
# Capturing the output of steps takes two more processes, which tell a terminal of each interrupt.
_OVERRIDES = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}


class RunFailedError(Exception):
    """A run failed; the message is what Dagster shows for it."""


class InProcessRuns:
    """Executes parts of the pipeline now, in the order they are asked for."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self._definitions = definitions
        self._instance = instance

    def import_window(
        self, segments: Mapping[str, Sequence[str]], window: Window, *, in_full: bool = False
    ) -> None:
        """Import and map one window of segments, given by account.

        Args:
            segments: the segments' ids.
            window: the window.
            in_full: every member, also when the window has landed.

        Raises:
            RunFailedError: a segment failed; the others have landed.
        """
        keys = [segment_key(account, id_) for account, ids in segments.items() for id_ in ids]
        self._instance.add_dynamic_partitions(SEGMENTS_NAME, keys)
        job = "segment_reconciliation" if in_full else "segment_import"
        self._check(
            self._definitions.resolve_job_def(job).execute_in_process(
                instance=self._instance,
                tags=import_range_tags(keys, window),
                run_config=_QUIET,
                raise_on_error=False,
            )
        )

    def materialize(self, *assets: str, window: Window) -> None:
        """Materialize assets with the same partitions for one window.

        Raises:
            RunFailedError: an asset failed.
        """
        job = self._definitions.resolve_implicit_global_asset_job_def()
        self._check(
            job.execute_in_process(
                instance=self._instance,
                # Given here, not as a subset of the job, it is shown as the run's target.
                asset_selection=[dg.AssetKey(asset) for asset in assets],
                partition_key=window.key,
                run_config=_QUIET,
                raise_on_error=False,
            )
        )

    def run_job(self, name: str, *, window: Window | None = None) -> None:
        """Run a job, for one window when its assets have partitions.

        Raises:
            RunFailedError: an asset failed.
        """
        self._check(
            self._definitions.resolve_job_def(name).execute_in_process(
                instance=self._instance,
                partition_key=None if window is None else window.key,
                run_config=_QUIET,
                raise_on_error=False,
            )
        )

    def _check(self, result: dg.ExecuteInProcessResult) -> None:
        if result.success:
            return
        reasons = []
        for event in result.all_events:
            if event.is_step_failure:
                data = event.step_failure_data
                if _is_interrupt(data.error):
                    raise KeyboardInterrupt
                told = data.user_failure_data.description if data.user_failure_data else None
                reasons.append(told or (data.error.message if data.error else event.message))
        raise RunFailedError("\n".join(str(reason).strip() for reason in reasons))


def _is_interrupt(error: SerializableErrorInfo | None) -> bool:
    """Whether an interrupt is the error or behind it: DuckDB makes an error of its own of it."""
    while error is not None:
        if error.cls_name == INTERRUPTED:
            return True
        error = error.cause
    return False


@contextmanager
def in_process_runs(settings: Settings, dagster_home: Path) -> Iterator[InProcessRuns]:
    """The pipeline of these settings, recording its runs in a prepared Dagster home."""
    reference = InstanceRef.from_dir(str(dagster_home), overrides=_OVERRIDES)
    with dg.DagsterInstance.from_ref(reference) as instance:
        yield InProcessRuns(build_definitions(settings), instance)


def observe(
    dagster_home: Path, asset: str, window: Window, metadata: Mapping[str, float | int]
) -> None:
    """Record measurements of an asset's partition that were not made by a run of it."""
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        instance.report_runless_asset_event(
            dg.AssetObservation(asset, partition=window.key, metadata=dict(metadata))
        )
