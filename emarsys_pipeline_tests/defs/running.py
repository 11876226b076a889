"""Runs of jobs and assets as the daemon would start them, in this process and quietly."""

from collections.abc import Sequence

import dagster as dg

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run_job(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    *,
    tags: dict[str, str] | None = None,
    partition: str | None = None,
) -> dg.ExecuteInProcessResult:
    """Run a job for a range given by tags, or for one partition."""
    return definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        tags=tags,
        partition_key=partition,
        run_config=QUIET,
        raise_on_error=False,
    )


def run_assets(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    assets: Sequence[str],
    partition: str | None,
) -> dg.ExecuteInProcessResult:
    """Materialize some assets for one partition."""
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        # Given here, and not as a subset of the job, it is what the UI shows as the run's target.
        asset_selection=[dg.AssetKey(asset) for asset in assets],
        partition_key=partition,
        run_config=QUIET,
        raise_on_error=False,
    )


def failure_of(result: dg.ExecuteInProcessResult, step: str) -> str:
    """What the failed step says."""
    (event,) = [
        event for event in result.all_events if event.is_step_failure and event.step_key == step
    ]
    error = event.step_failure_data.error
    assert error is not None
    details = event.step_failure_data.user_failure_data
    return (details.description if details and details.description else None) or error.message
