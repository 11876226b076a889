"""What one run, or one schedule or sensor, says about the health of its subjects."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from emarsys_pipeline.alerts import Finding
from emarsys_pipeline.defs.failures import WHAT_TO_DO
from emarsys_pipeline.defs.health import Automation
from emarsys_pipeline.runbook import RUN_FAILED, TICK_FAILED, check_section

# A run that Dagster repeats by itself is not the last word.
WILL_RETRY_TAG = "dagster/will_retry"
PARTITION_TAG = "dagster/partition"
RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
EVENTS = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
RESERVED_JOB = "__ASSET_JOB"
READ_THE_RUN = "Open the run, read its last error, and re-run it from its failed step."


def findings_of_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[Finding]:
    """What a finished run tells: of each check that it evaluated, and of itself."""
    events = [
        record.event_log_entry
        for record in instance.get_records_for_run(run.run_id, of_type=EVENTS).records
    ]
    reasons = []
    for entry in events:
        event = entry.dagster_event
        if event is None:
            continue
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            failure = event.step_failure_data
            told = failure.user_failure_data.description if failure.user_failure_data else None
            error = failure.error.message if failure.error else ""
            reasons.append((told or error or event.message or "").strip())
        else:
            at = datetime.fromtimestamp(entry.timestamp, UTC)
            yield _of_check(event.asset_check_evaluation_data, run.run_id, at)
    if run.tags.get(WILL_RETRY_TAG) == "true":
        return
    yield _of_run(run, "\n".join(filter(None, reasons)))


def finding_of_automation(automation: Automation) -> Finding:
    """Whether the last tick of a schedule or sensor went well."""
    return Finding(
        subject=f"tick:{automation.name}",
        what=f"{automation.kind} {automation.name}",
        severity="error" if automation.is_failing else "resolved",
        occurred_at=automation.last_tick_at or datetime.now(UTC),
        what_to_do="Read the error below; until it is mended, what it starts does not run.",
        why=automation.error,
        runbook=TICK_FAILED,
    )


def _of_check(evaluation: dg.AssetCheckEvaluation, run_id: str, at: datetime) -> Finding:
    asset, name = evaluation.asset_key.to_user_string(), evaluation.check_name
    partition = f" for {evaluation.partition}" if evaluation.partition else ""
    is_error = evaluation.severity is dg.AssetCheckSeverity.ERROR
    runbook = check_section(name)
    told = evaluation.description or "The rule of this check does not hold."
    return Finding(
        subject=f"check:{asset}:{name}:{evaluation.partition or ''}",
        what=f"check {name} of {asset}{partition}",
        severity="resolved" if evaluation.passed else "error" if is_error else "warning",
        occurred_at=at,
        what_to_do=told if evaluation.description else f"Follow {runbook}.",
        why="" if evaluation.description else told,
        runbook=runbook,
        run_id=run_id,
    )


def _of_run(run: dg.DagsterRun, reason: str) -> Finding:
    partition = run.tags.get(PARTITION_TAG) or " to ".join(
        run.tags[tag] for tag in RANGE_TAGS if tag in run.tags
    )
    assets = ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ()))
    job = assets if run.job_name == RESERVED_JOB and assets else run.job_name
    first, _, rest = reason.partition("\n")
    failed, _, what_to_do = first.partition(WHAT_TO_DO)
    return Finding(
        subject=f"run:{job}:{partition}",
        what=f"run of {job}" + (f" for {partition}" if partition else ""),
        severity="error" if run.is_failure else "resolved",
        occurred_at=datetime.now(UTC),
        what_to_do=what_to_do or READ_THE_RUN,
        why=f"{failed.strip()}\n{rest}".strip(),
        runbook=RUN_FAILED,
        run_id=run.run_id,
    )
